import { AccountSASPermissions, AccountSASResourceTypes, AccountSASServices, StorageSharedKeyCredential, generateAccountSASQueryParameters } from '@azure/storage-blob'
import type { FIRST } from './azurite.js'

/** A shared access signature of the SDK, for all of an account. */
export function accountSas({ account, key }: typeof FIRST, permissions = 'rwdlacx', minutes = 60): string {
  const expiresOn = new Date(Date.now() + minutes * 60_000)
  return generateAccountSASQueryParameters({
    expiresOn,
    startsOn: new Date(expiresOn.getTime() - 24 * 60 * 60_000),
    permissions: AccountSASPermissions.parse(permissions),
    services: AccountSASServices.parse('b').toString(),
    resourceTypes: AccountSASResourceTypes.parse('sco').toString()
  }, new StorageSharedKeyCredential(account, key)).toString()
}
