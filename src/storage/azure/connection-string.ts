import { accountOfEndpoint, checkEndpoint, checkKey, checkSas, type AzureCredentials } from './credentials.js'

/** What a connection string says of the blob service. */
export interface ConnectionString {
  readonly account: string
  readonly endpoint: string
  readonly credentials: AzureCredentials
}

/** The account and key that all emulators have; they are public. */
const EMULATOR = 'AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;'
  + 'BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1'

/**
 * Reads the connection string of a storage account.
 * @throws TypeError that says which part is missing, and shows none
 */
export function parseConnectionString(text: string, where = 'azureStore: connectionString'): ConnectionString {
  const parts = partsOf(text, where)
  if (parts.get('usedevelopmentstorage')?.toLowerCase() === 'true') return parseConnectionString(EMULATOR, where)
  const [key, sas] = [parts.get('accountkey'), parts.get('sharedaccesssignature')]
  if (key === undefined && sas === undefined) throw new TypeError(`${where} has neither AccountKey nor SharedAccessSignature`)

  const named = parts.get('accountname')
  const [protocol, suffix] = [parts.get('defaultendpointsprotocol') ?? 'https', parts.get('endpointsuffix') ?? 'core.windows.net']
  const address = parts.get('blobendpoint') ?? (named === undefined ? undefined : `${protocol}://${named}.blob.${suffix}`)
  if (address === undefined) throw new TypeError(`${where} has neither AccountName nor BlobEndpoint`)
  const endpoint = checkEndpoint(address)
  const account = named ?? accountOfEndpoint(endpoint)
  if (account === undefined) throw new TypeError(`${where} has no AccountName`)
  const credentials: AzureCredentials = key !== undefined
    ? { kind: 'key', key: checkKey(`${where}: AccountKey`, key) }
    : { kind: 'sas', sas: checkSas(`${where}: SharedAccessSignature`, sas ?? '') }
  return { account, endpoint, credentials }
}

function partsOf(text: string, where: string): Map<string, string> {
  const parts = new Map<string, string>()
  for (const part of text.split(';')) {
    if (part.trim() === '') continue
    const at = part.indexOf('=')
    if (at < 1) throw new TypeError(`${where} must be a list like AccountName=…;AccountKey=…`)
    parts.set(part.slice(0, at).trim().toLowerCase(), part.slice(at + 1).trim())
  }
  return parts
}
