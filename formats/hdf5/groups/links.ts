import type { Access } from '../access.js'
import { corrupt } from '../faults.js'
import { readLink, type Link } from '../messages/link.js'
import { MESSAGE, resolveShared, type ObjectHeader } from '../object-header.js'
import { readDense, readDenseInfo } from './dense.js'
import { readSymbolTable } from './symbol-table.js'

/** True for the header of a group. */
export function isGroup({ messages }: ObjectHeader): boolean {
  return messages.some(({ type }) => type === MESSAGE.symbolTable || type === MESSAGE.linkInfo || type === MESSAGE.link || type === MESSAGE.groupInfo)
}

/** The links of a group, however they are stored, in the order of their names. */
export async function readLinks(access: Access, header: ObjectHeader): Promise<readonly Link[]> {
  const links: Link[] = []
  for (const message of header.messages) {
    switch (message.type) {
      case MESSAGE.symbolTable:
        links.push(...(await readSymbolTable(access, message)))
        break
      case MESSAGE.link: {
        const { body, address } = await resolveShared(access, message)
        links.push(readLink(access, body, address))
        break
      }
      case MESSAGE.linkInfo: {
        const storage = readDenseInfo(access, message, 8)
        if (storage !== undefined) await readDense(access, storage, 5, (bytes, address) => links.push(readLink(access, bytes, address)))
        break
      }
    }
  }
  links.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  links.forEach((link, i) => {
    if (link.name === links[i + 1]?.name) throw corrupt(access.place(header.address), `a group has two links '${link.name}'`)
  })
  return links
}
