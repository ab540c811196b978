// Judges copies. At every look: whatever a node shows as copies of a file is on so many drives, and nobody lets go of a block that somebody
// refers to when nobody else has it. At rest: every block is on as many drives as it is to be. No host ever has a name or a content in clear.

import { readFileSync } from 'node:fs'

import type { FileCopies } from '../../engine/api/controls.ts'
import type { Fleet, Host } from './fleet.ts'
import { Freed } from './freed.ts'
import { Holdings, type LossKind } from './holdings.ts'
import { knowledgeOf, shortly, type Knowledge, type KnownBlock, type KnownFile } from './knowledge.ts'
import { LetGoCheck } from './let-go-check.ts'
import type { SimNode } from './node.ts'
import { OracleViolation } from './oracle.ts'
import { UserTouches } from './user-touches.ts'
import type { Scheduler } from './scheduler.ts'

/** Parts of names and contents of the folder, which no host may have. */
export const secrets = ['nachtigall', 'ostereier', 'gackern'] as const

/** An audit that ended so long after an accident began after it. */
const auditMsMax = 300_000
const filesShown = 100_000
const { signal } = new AbortController()

export interface CopiesWorld {
  readonly fleet: Fleet
  readonly all: readonly SimNode[]
  /** Nodes that read the folder and take part. */
  readonly readers: () => readonly SimNode[]
  readonly garbageMs: number
}

export class CopiesOracle {
  readonly #scheduler: Scheduler
  readonly #fleet: Fleet
  readonly #readers: CopiesWorld['readers']
  readonly #holdings = new Holdings()
  readonly #touches: UserTouches
  readonly #freed = new Freed()
  readonly #letGo: LetGoCheck
  /** Of hosts that took the folder off, or were about to: their newest receipt that anybody had. */
  readonly #left = new Map<SimNode, number>()
  /** When each audit was first seen: `AUDITOR PEER`. */
  readonly #audits = new Map<string, { readonly atMs: number; readonly seenUs: number }>()
  #isScrubbed = false
  /** The fewest copies that were ever asked for. */
  #targetMin = Number.POSITIVE_INFINITY

  constructor(scheduler: Scheduler, { fleet, all, readers, garbageMs }: CopiesWorld) {
    this.#scheduler = scheduler
    this.#fleet = fleet
    this.#readers = readers
    this.#touches = new UserTouches(
      scheduler,
      all.filter((node) => fleet.of(node) === undefined),
    )
    const { holdings, touches } = { holdings: this.#holdings, touches: this.#touches }
    this.#letGo = new LetGoCheck({ scheduler, fleet, readers, holdings, touches, garbageMs })
  }

  /** All hosts have read all that they have: what changed by itself is known. */
  noteScrubbed(): void {
    this.#isScrubbed = true
  }

  /** An accident in the store of a node: what it takes is nobody's lie. */
  afflict(node: SimNode, kind: LossKind, accident: () => void): void {
    this.#holdings.afflict(node, { kind, edition: this.#newestEdition(node, knowledgeOf), atUs: this.#scheduler.nowUs }, accident)
    this.#letGo.noteAccident(node, kind === 'store')
  }

  /** The folder is to be taken off a host. */
  noteLeaving(node: SimNode): void {
    const knowledge = knowledgeOf(node)
    this.#letGo.noteLeaving(node, knowledgeOf, (left) => left.peer !== undefined && knowledge?.leavers.has(left.peer) === true)
  }

  /** A power cut may take what was never promised to be there. */
  notePowerCut(node: SimNode): void {
    this.#letGo.noteAccident(node, false)
  }

  /** Of the receipts of a node that anybody has: the node itself may have forgotten its last one with a power cut. */
  #newestEdition({ peer }: SimNode, knows: (node: SimNode) => Knowledge | undefined): number {
    const all = [...this.#readers(), ...this.#fleet.all.map((host) => host.node)]
    return peer === undefined ? 0 : Math.max(0, ...all.map((one) => knows(one)?.editions.get(peer) ?? 0))
  }

  /** What is to be asked once the node has freed files: throws OracleViolation when fewer than `needed` others hold what left its drive. */
  watchFreeing(node: SimNode): (needed: number) => void {
    const before =
      knowledgeOf(node)?.files.filter((file) => file.blocks.every((block) => this.#holdings.hasInPlace(node, file, block))) ?? []
    return (needed) => {
      const gone = knowledgeOf(node)?.elsewhere ?? new Set()
      for (const file of before.filter(({ entry }) => gone.has(entry))) {
        for (const block of file.blocks) {
          const holders = this.#everyone.filter((one) => one !== node && this.#holdings.has(one, file, block)).map(({ name }) => name)
          if (holders.length >= needed) continue
          const who = holders.length === 0 ? 'nobody' : holders.join(' and ')
          throw new OracleViolation(
            `${node.name} freed ${file.path}, ${needed} others were to have it, and ${who} has block ${shortly(block.block)}`,
          )
        }
      }
    }
  }

  /** How many nodes are counted on. */
  get takingPart(): number {
    return this.#everyone.length
  }

  get #everyone(): readonly SimNode[] {
    return [...this.#readers(), ...this.#fleet.active.map(({ node }) => node)]
  }

  /** Throws OracleViolation for what is shown and is not so, and for what was let go of by the last who had it. */
  async look(settle: <T>(work: Promise<T>) => Promise<T>): Promise<void> {
    const known = new Map<SimNode, Knowledge>()
    const knows = (node: SimNode): Knowledge | undefined => {
      const knowledge = known.get(node) ?? knowledgeOf(node)
      if (knowledge !== undefined) known.set(node, knowledge)
      return knowledge
    }
    for (const { node } of this.#fleet.all) this.#holdings.forgetMended(node)
    for (const { controls } of this.#readers()) {
      this.#targetMin = Math.min(this.#targetMin, controls?.folders()[0]?.copies.target ?? this.#targetMin)
    }
    this.#letGo.look(knows, this.#targetMin)
    for (const { node, leaving } of this.#fleet.all) if (leaving !== 'no') this.#left.set(node, this.#newestEdition(node, knows))
    for (const node of this.#readers()) {
      const knowledge = knows(node)
      if (knowledge !== undefined) this.#freed.look(node, knowledge, () => this.#newestEdition(node, knows))
    }
    for (const node of this.#readers()) {
      const { controls } = node
      const folder = controls?.folders()[0]
      if (controls === undefined || folder === undefined) continue
      const list = controls.copies({ folder: folder.id, limit: filesShown }, signal)
      const outcome = await settle(Promise.race([list, node.died()]))
      const knowledge = outcome === 'died' ? undefined : knows(node)
      if (outcome === 'died' || knowledge === undefined) continue
      this.#noteAudits(node, knowledge)
      for (const file of outcome.files) this.#checkShown(node, file, knowledge, knows)
    }
  }

  #noteAudits(node: SimNode, { auditOf }: Knowledge): void {
    for (const { node: host } of this.#fleet.all) {
      const audit = host.peer === undefined ? undefined : auditOf(host.peer)
      const name = `${node.name} ${host.name}`
      if (audit === undefined || audit.missing > 0 || this.#audits.get(name)?.atMs === audit.atMs) continue
      this.#audits.set(name, { atMs: audit.atMs, seenUs: this.#scheduler.nowUs })
    }
  }

  #checkShown(node: SimNode, shown: FileCopies, knowledge: Knowledge, knows: (node: SimNode) => Knowledge | undefined): void {
    // Of two versions at once, one of which may be empty, each is shown.
    const [file, other] = knowledge.files.filter(({ path, sizeBytes }) => path === shown.path && sizeBytes === shown.bytes)
    if (file === undefined || other !== undefined) return // which is shown is not said
    const holders = shown.holders.map((peer) => this.#nodeOf(peer))
    for (const block of file.blocks) {
      const lacking = holders.filter((holder) => holder === undefined || !this.#isSo(node, knowledge, holder, file, block, knows))
      const held = holders.length - lacking.length
      if (held >= shown.copies) continue
      const who = lacking.map((holder) => holder?.name).join(' and ')
      throw new OracleViolation(
        `${node.name} shows ${shown.copies} copies of ${shown.path}, of which ${held} can be: ${who} lacks block ${shortly(block.block)}`,
      )
    }
  }

  /** Whether a holder has the block, or nobody can know yet that it has not. */
  #isSo(
    viewer: SimNode,
    knowledge: Knowledge,
    holder: SimNode,
    file: KnownFile,
    block: KnownBlock,
    knows: (node: SimNode) => Knowledge | undefined,
  ): boolean {
    const { editions, leavers, auditOf } = knowledge
    const touch = `${holder.name} ${file.path} ${file.version} ${block.block}`
    if (this.#holdings.hasInPlace(holder, file, block)) this.#touches.noteTrue(touch)
    if (this.#holdings.has(holder, file, block)) return true
    const versions = knows(holder)?.versions.get(file.entry)
    if (this.#fleet.of(holder) === undefined) {
      if (viewer !== holder && this.#freed.isUnheard(knowledge, holder, file.entry)) return true
      // Another version came there, or somebody works on it and it was not looked at since.
      return versions?.has(file.version) !== true || this.#touches.isTouched(holder, file.path, touch)
    }
    const loss = this.#holdings.lossOf(holder, block.block)
    const peer = holder.peer
    if (peer === undefined) return false
    const leftEdition = this.#left.get(holder)
    if (leftEdition !== undefined && !leavers.has(peer) && (editions.get(peer) ?? 0) <= leftEdition) return true // nobody told it
    if (loss === undefined) return versions?.has(file.version) === false // it has the next version
    if (loss.kind === 'store' && (editions.get(peer) ?? 0) > loss.edition) return false // it said so after it had lost it
    const audit = this.#audits.get(`${viewer.name} ${holder.name}`)
    const isAuditor = this.#holdings.has(viewer, file, block)
    return !(isAuditor && auditOf(peer)?.missing === 0 && audit !== undefined && audit.seenUs > loss.atUs + auditMsMax * 1000)
  }

  /** What keeps the copies from being as they are to be; empty when they are. */
  shortfalls(): readonly string[] {
    const [reader] = this.#readers()
    const knowledge = reader === undefined ? undefined : knowledgeOf(reader)
    const target = reader?.controls?.folders()[0]?.copies.target
    if (reader === undefined || knowledge === undefined || target === undefined) return ['nobody shows the folder']
    const lines: string[] = []
    const counted = this.#fleet.active
    const needed = Math.min(target, this.#readers().length + counted.filter(({ setup }) => !isSmall(setup)).length)
    for (const file of knowledge.files) {
      for (const block of file.blocks) {
        const readers = this.#readers().filter((node) => this.#holdings.has(node, file, block))
        const hosts = counted.filter(({ node }) => this.#isThere(node, file, block))
        if (readers.length + hosts.length >= needed) continue
        const names = [...readers, ...hosts.map(({ node }) => node)].map(({ name }) => name)
        lines.push(`block ${shortly(block.block)} of ${file.path} is on ${names.join(' ')} alone, and ${needed} are to have it`)
      }
    }
    return [...lines, ...this.#unshown(needed), ...this.#busy()]
  }

  /** Bits that changed in a store are found by whoever reads them: until then the block counts as there. */
  #isThere(node: SimNode, file: KnownFile, block: KnownBlock): boolean {
    return this.#holdings.has(node, file, block) || (!this.#isScrubbed && this.#holdings.lossOf(node, block.block)?.kind === 'bits')
  }

  #unshown(needed: number): readonly string[] {
    return this.#readers().flatMap((node) => {
      const copies = node.controls?.folders()[0]?.copies
      if (copies !== undefined && copies.min >= needed) return []
      return [`${node.name} shows ${copies?.min} copies at least, and there are ${needed}`]
    })
  }

  #busy(): readonly string[] {
    return this.#fleet.active.flatMap(({ node, setup }) => {
      const folder = node.controls?.folders()[0]
      if (folder === undefined) return [`${node.name} has no folder`]
      if (isSmall(setup) || (folder.state === 'idle' && folder.needFiles === 0)) return []
      return [`${node.name} is ${folder.state} and needs ${folder.needFiles} blocks`]
    })
  }

  /** Which blocks are where, in one text: it stays as it is once nothing moves. */
  whereabouts(): string {
    return JSON.stringify(this.#fleet.active.map(({ node }) => [node.name, [...this.#holdings.stored(node)].toSorted()]))
  }

  /** Throws OracleViolation when a host has something of a name or a content. */
  checkSecrets(): void {
    for (const { node } of this.#fleet.all) {
      const files = node.user.walk(node.homePath).flatMap((path) => {
        const data = node.user.dataAt(path)
        return data === undefined ? [] : [{ path, bytes: data.view() }]
      })
      const database = node.database.sizeBytes === 0 ? [] : node.database.readCopy((path) => databaseFiles(path))
      const objects = [...(node.bucket?.objects ?? [])].map(([path, bytes]) => ({ path, bytes }))
      for (const secret of secrets) {
        const found = [...files, ...database, ...objects].find(({ bytes }) =>
          Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(secret),
        )
        if (found !== undefined) throw new OracleViolation(`${node.name}, a host, has '${secret}' in ${found.path}`)
      }
    }
  }

  #nodeOf(peer: string): SimNode | undefined {
    return this.#fleet.byPeer(peer)?.node ?? this.#readers().find((node) => node.peer === peer)
  }
}

function databaseFiles(path: string): readonly { readonly path: string; readonly bytes: Uint8Array }[] {
  return ['', '-wal'].flatMap((ending) => {
    try {
      return [{ path: `the index${ending}`, bytes: readFileSync(`${path}${ending}`) }]
    } catch {
      return [] // there is no log right after a checkpoint
    }
  })
}

/** Hosts with less room than this may be full. */
const smallBytes = 16 * 1024 * 1024

export function isSmall({ capacityBytes }: Pick<Host['setup'], 'capacityBytes'>): boolean {
  return capacityBytes < smallBytes
}
