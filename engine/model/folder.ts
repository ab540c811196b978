// Folders and their members as every part of the engine names them.

import type { FolderId, PeerId } from './ids.ts'

export type Role = 'owner' | 'write' | 'read' | 'host'

export const roleNumbers: Readonly<Record<Role, number>> = { owner: 1, write: 2, read: 3, host: 4 }
const roleNames: readonly (Role | undefined)[] = [undefined, 'owner', 'write', 'read', 'host']

export function parseRoleNumber(value: number): Role | undefined {
  return roleNames[value]
}

export function mayWrite(role: Role): boolean {
  return role === 'owner' || role === 'write'
}

export interface Member {
  readonly peer: PeerId
  readonly nodeKey: Uint8Array
  readonly role: Role
  readonly name: string
}

export interface EpochSecret {
  readonly epoch: number
  /** 32 bytes. */
  readonly secret: Uint8Array
}

/** What is secret about a folder. Hosts have the access secret only. */
export interface FolderSecrets {
  /** The key that proves membership derives from it; 32 bytes, hosts have it too. */
  readonly accessSecret: Uint8Array
  /** Names and boundaries derive from it; it never changes, 32 bytes. */
  readonly folderSecret: Uint8Array
  /** Seal and metadata keys derive from these; the last one is for new content. */
  readonly epochs: readonly EpochSecret[]
}

/** A folder as this node has it. */
export interface FolderRecord {
  /** Row number in the index: cheap to refer to. */
  readonly row: number
  readonly id: FolderId
  readonly name: string
  /** Absolute path of the tree. */
  readonly path: string
  readonly isPaused: boolean
  readonly secrets: FolderSecrets
  /** 8 random bytes: with the node's key, the author id under which this node writes here. */
  readonly incarnation: Uint8Array
  readonly createdMs: number
  readonly targetCopies: number
}
