/** Where the JSON API is. */
export interface GcsEndpoint {
  /** `https://host:port`, without a slash at the end. */
  readonly origin: string
  /** What comes before `/storage/v1` and `/upload/storage/v1`, without a slash at the end. */
  readonly path: string
  /** False for emulators and the like, which are not asked with credentials unless some are given. */
  readonly google: boolean
}

/** The endpoint of the options, that of the emulator which the environment names, or the public one. */
export function gcsEndpoint(endpoint: string | undefined, emulator: string | undefined, universeDomain: string): GcsEndpoint {
  if (endpoint !== undefined) return parse(endpoint, universeDomain, 'gcsStore: endpoint')
  if (emulator === undefined || emulator === '') return { origin: `https://storage.${universeDomain}`, path: '', google: true }
  return parse(/^[a-z]+:\/\//i.test(emulator) ? emulator : `http://${emulator}`, universeDomain, 'STORAGE_EMULATOR_HOST')
}

function parse(text: string, universeDomain: string, where: string): GcsEndpoint {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw new TypeError(`${where} must be a URL such as https://storage.googleapis.com`)
  }
  if (!/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new TypeError(`${where} must be an http or https URL without user, password, query and fragment`)
  }
  const google = [universeDomain, 'googleapis.com'].some(domain => url.hostname === domain || url.hostname.endsWith(`.${domain}`))
  return { origin: url.origin, path: url.pathname.replace(/\/+$/, ''), google }
}
