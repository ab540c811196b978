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

/** How much of the time a node is there: what it says of itself. */
export type NodeClass = 'always-on' | 'daily' | 'occasional'

export interface Member {
  readonly peer: PeerId
  readonly nodeKey: Uint8Array
  readonly role: Role
  readonly name: string
  /** Switched off for good, or lost: it holds nothing that counts. */
  readonly isRetired: boolean
}

/** Members that take part: neither switched off for good nor gone by themselves. */
export function activeMembers(members: readonly Member[], word: { readonly hasLeft: (peer: PeerId) => boolean }): readonly Member[] {
  return members.filter(({ peer, isRetired }) => !isRetired && !word.hasLeft(peer))
}

export interface EpochSecret {
  readonly epoch: number
  /** 32 bytes. */
  readonly secret: Uint8Array
}

/** What is secret about a folder, as readers have it. Hosts have the access secret only. */
export interface FolderSecrets {
  /** The key that proves membership derives from it; 32 bytes. */
  readonly accessSecret: Uint8Array
  /** Names and boundaries derive from it; it never changes, 32 bytes. */
  readonly folderSecret: Uint8Array
  /** Seal and metadata keys derive from these; the last one is for new content. */
  readonly epochs: readonly EpochSecret[]
}

/** What a member holds of a folder: all of it, the share that placement gives it, the files that it selected, or none. */
export type Keep = 'all' | 'share' | 'selected' | 'none'

/** What a host holds. */
export type HostKeep = Extract<Keep, 'all' | 'share'>

/** Which files of a folder a node that reads it keeps. */
export interface KeepRule {
  readonly kind: Exclude<Keep, 'share'>
  /** In the syntax of .holdfastignore; used with 'selected' only. */
  readonly patterns: readonly string[]
}

export const keepsAll: KeepRule = { kind: 'all', patterns: [] }

/** A folder as this node has it, whatever its role. */
export interface MemberRecord {
  /** Row number in the index: cheap to refer to. */
  readonly row: number
  readonly id: FolderId
  readonly name: string
  readonly isPaused: boolean
  /** 8 random bytes: with the node's key, the author id under which this node writes here. */
  readonly incarnation: Uint8Array
  readonly createdMs: number
  readonly targetCopies: number
}

/** A folder whose tree is on this node. */
export interface FolderRecord extends MemberRecord {
  /** Absolute path of the tree. */
  readonly path: string
  readonly secrets: FolderSecrets
  /** Absent: all. */
  readonly keep?: KeepRule
}

/** A folder whose blocks this node stores without being able to read them. */
export interface HostedRecord extends MemberRecord {
  readonly keep: HostKeep
  readonly accessSecret: Uint8Array
}
