import type { ErrorKind } from '../../errors.js'
import type { ServiceFault } from '../remote/service.js'

/**
 * What the error codes of the Blob service mean; "Blob Storage error codes" of its reference. The service repeats them in the header
 * `x-ms-error-code`. Codes that are not here are judged by the status.
 */
const KINDS: Readonly<Record<string, ErrorKind>> = {
  BlobNotFound: 'NotFound', ContainerNotFound: 'NotFound', ResourceNotFound: 'NotFound', AccountNotFound: 'NotFound', ParentNotFound: 'NotFound',

  AuthenticationFailed: 'Denied', AuthorizationFailure: 'Denied', AuthorizationPermissionMismatch: 'Denied', AuthorizationProtocolMismatch: 'Denied',
  AuthorizationResourceTypeMismatch: 'Denied', AuthorizationServiceMismatch: 'Denied', AuthorizationSourceIPMismatch: 'Denied',
  InsufficientAccountPermissions: 'Denied', InvalidAuthenticationInfo: 'Denied', NoAuthenticationInformation: 'Denied', PublicAccessNotPermitted: 'Denied',
  AccountIsDisabled: 'Denied', ContainerDisabled: 'Denied', UnauthorizedBlobOverwrite: 'Denied', BlobImmutableDueToPolicy: 'Denied', BlobHasLegalHold: 'Denied',
  KeyBasedAuthenticationNotPermitted: 'Denied', CannotVerifyCopySource: 'Denied',
  LeaseIdMissing: 'Denied', LeaseIdMismatchWithBlobOperation: 'Denied', LeaseIdMismatchWithContainerOperation: 'Denied', LeaseLost: 'Denied',

  ServerBusy: 'Throttled', TooManyRequests: 'Throttled', AccountBandwidthLimitExceeded: 'Throttled',
  OperationTimedOut: 'Timeout', RequestTimeout: 'Timeout',
  InternalError: 'Unavailable', ContainerBeingDeleted: 'Unavailable', AccountBeingCreated: 'Unavailable', PendingCopyOperation: 'Unavailable',
  OperationInProgress: 'Unavailable',

  BlobArchived: 'Unsupported', BlobBeingRehydrated: 'Unsupported', InvalidBlobType: 'Unsupported', BlobUsesCustomerSpecifiedEncryption: 'Unsupported',
  UnsupportedHeader: 'Unsupported', UnsupportedQueryParameter: 'Unsupported', UnsupportedHttpVerb: 'Unsupported', FeatureVersionMismatch: 'Unsupported',
  FeatureNotSupported: 'Unsupported', APINotImplemented: 'Unsupported', NotImplemented: 'Unsupported', FeatureEncryptionMismatch: 'Unsupported',

  ConditionNotMet: 'Precondition', TargetConditionNotMet: 'Precondition', BlobAlreadyExists: 'Precondition', ContainerAlreadyExists: 'Precondition',
  SnapshotsPresent: 'Precondition', ResourceTypeMismatch: 'Precondition', PathConflict: 'Precondition', DirectoryIsNotEmpty: 'Precondition',
  SourceConditionNotMet: 'Changed', InvalidBlockList: 'Changed',

  InvalidRange: 'OutOfRange',
  InvalidUri: 'InvalidUri', InvalidResourceName: 'InvalidUri', OutOfRangeInput: 'InvalidUri', RequestUrlFailedToParse: 'InvalidUri',
  Md5Mismatch: 'Corrupt', Crc64Mismatch: 'Corrupt',
  RequestBodyTooLarge: 'Limit', BlockCountExceedsLimit: 'Limit', BlockListTooLong: 'Limit', MetadataTooLarge: 'Limit', MaxBlobSizeConditionNotMet: 'Limit'
}

const HINTS: Readonly<Record<string, string>> = {
  ContainerNotFound: 'there is no such container: check its name and the account, or make it with createContainer',
  BlobArchived: 'move it to the hot or cool tier first; that takes hours',
  BlobBeingRehydrated: 'it is on its way out of the archive tier; that takes hours',
  PublicAccessNotPermitted: 'the account allows no anonymous reads: give credentials',
  NoAuthenticationInformation: 'give credentials',
  ResourceNotFound: 'containers without public access are told so too: give credentials if it is there',
  AuthorizationPermissionMismatch: 'the role Storage Blob Data Reader (to write: Contributor), or the permission of the shared access signature, is missing',
  AuthorizationFailure: 'the network rules of the account, or the permissions of the signature, do not allow it; or the key is that of another account',
  KeyBasedAuthenticationNotPermitted: 'the account allows no keys: give a credential',
  InvalidAuthenticationInfo: 'the access token was refused',
  SnapshotsPresent: 'it has snapshots, which are not deleted with it: delete them first',
  InvalidBlockList: 'what was uploaded is gone: somebody else wrote the same blob meanwhile; write it again',
  ContainerBeingDeleted: 'the name is free again about 30 seconds after the container was deleted',
  LeaseIdMissing: 'somebody has a lease on it',
  CannotVerifyCopySource: 'the service may not read the source of the copy'
}

const BY_STATUS: Readonly<Record<number, ErrorKind>> = {
  400: 'Unsupported', 401: 'Denied', 403: 'Denied', 404: 'NotFound', 405: 'Unsupported', 408: 'Timeout', 409: 'Precondition', 411: 'Unsupported',
  412: 'Precondition', 413: 'Limit', 416: 'OutOfRange', 429: 'Throttled', 501: 'Unsupported', 503: 'Throttled', 504: 'Timeout'
}

/** What a reply with an error says of itself. */
export interface AzureReply {
  readonly status: number
  /** `x-ms-error-code`, or `Code` of the body. */
  readonly code: string | undefined
  readonly message: string
  /** The body, where the service says more. */
  readonly body?: string | undefined
  /** The header `date`. */
  readonly date?: string | undefined
}

/** The service refuses signatures that are more than 15 minutes old or ahead. */
const SKEW_MS = 10 * 60_000

/** What a reply with an error means. */
export function azureFault({ status, code = '', message, body = '', date }: AzureReply): ServiceFault {
  const kind = KINDS[code] ?? BY_STATUS[status] ?? (status >= 500 ? 'Unavailable' : status >= 300 && status < 400 ? 'Unsupported' : 'Denied')
  const skew = code === 'AuthenticationFailed' ? skewOf(date) : 0
  // Only this of the details: others repeat the signature.
  const [expired] = /Signature not valid in the specified time frame[^<\n]*/.exec(body) ?? []
  const hint = expired ?? (Math.abs(skew) > SKEW_MS ? `the clock of this machine is ${Math.round(Math.abs(skew) / 60_000)} minutes ${skew < 0 ? 'fast' : 'slow'}` : HINTS[code])
  const refresh = expired === undefined && (Math.abs(skew) > SKEW_MS || code === 'InvalidAuthenticationInfo' || (status === 401 && code !== 'NoAuthenticationInformation'))
  return {
    kind,
    code: code === '' ? `HTTP ${status}` : code,
    message: withoutSignatures(message),
    ...(hint === undefined ? {} : { hint }),
    ...(refresh ? { refresh } : {})
  }
}

/** How far the clock of the service is ahead of this one, in milliseconds. */
export function skewOf(date: string | undefined): number {
  const time = date === undefined ? Number.NaN : Date.parse(date)
  return Number.isNaN(time) ? 0 : time - Date.now()
}

/** The first line: request id and time follow, which are another each time. */
export function withoutSignatures(text: string): string {
  const [first = ''] = text.split('\n')
  return first.trim().replace(/\bsig=[^&\s"'<>]*/gi, 'sig=…').replace(/\b(SharedKey|Bearer) [^\s"'<>]+/g, '$1 …')
}
