// Judges what leaves stores and by no accident: not the last of what somebody refers to, not what too few others keep, not what an entry named a
// moment ago. Who takes the folder off a host may give up more, but nothing that nobody else has.

import { compareVectors, type VersionVector } from '../../engine/model/vector.ts'
import type { Fleet } from './fleet.ts'
import type { Holdings } from './holdings.ts'
import { shortly, type Knowledge, type KnownBlock, type KnownFile } from './knowledge.ts'
import { LastNamed } from './named.ts'
import type { SimNode } from './node.ts'
import { OracleViolation } from './oracle.ts'
import type { Scheduler } from './scheduler.ts'
import { storedOrVoid } from './stored-blocks.ts'
import type { UserTouches } from './user-touches.ts'

/** The clock of graces goes on by rounds that are so long. */
const awakeStepMs = 20_000

type Knows = (node: SimNode) => Knowledge | undefined

export interface LetGoWorld {
  readonly scheduler: Scheduler
  readonly fleet: Fleet
  /** Nodes that read the folder and take part. */
  readonly readers: () => readonly SimNode[]
  readonly holdings: Holdings
  readonly touches: UserTouches
  /** How long hosts keep what nothing names any more. */
  readonly garbageMs: number
}

export class LetGoCheck {
  readonly #world: LetGoWorld
  readonly #named = new LastNamed()
  /** What each store had at the last look. */
  readonly #before = new Map<SimNode, ReadonlySet<string>>()
  /** Of hosts that began to leave: what nobody else had then. */
  readonly #lonely = new Map<SimNode, ReadonlySet<string>>()

  constructor(world: LetGoWorld) {
    this.#world = world
  }

  /** What is gone from the node's store now went by an accident; with `isOfAnotherTime`, its index did as well. */
  noteAccident(node: SimNode, isOfAnotherTime: boolean): void {
    this.#before.set(node, this.#world.holdings.stored(node))
    if (isOfAnotherTime) this.#named.forget(node)
  }

  /** The folder is to be taken off the host. Who may not have heard that another one left relies on that one's word. */
  noteLeaving(node: SimNode, knows: Knows, hasHeard: (left: SimNode) => boolean): void {
    const { fleet, holdings } = this.#world
    const others = [...this.#world.readers(), ...fleet.all.map((host) => host.node)].filter((one) => one !== node)
    const isExcused = fleet.all.some((host) => host.leaving !== 'no' && host.node !== node && !hasHeard(host.node))
    const lonely = [...holdings.stored(node)].filter(
      (block) =>
        !isExcused &&
        others.some((one) => refersTo(knows(one), block, undefined)) &&
        !others.some((one) => this.#mayHave(one, block, knows)),
    )
    this.#lonely.set(node, new Set(lonely))
  }

  /** Whether it has the block, or had it until something happened that nobody else can know of. */
  #mayHave(node: SimNode, block: string, knows: Knows): boolean {
    const { fleet, holdings, touches } = this.#world
    if (holdings.stored(node).has(block) || holdings.lossOf(node, block) !== undefined) return true
    if (fleet.of(node) !== undefined) return false
    const knowledge = knows(node)
    if (placesOf(knowledge, block).some(({ file, part }) => holdings.has(node, file, part))) return true
    return (knowledge?.files ?? []).some(
      ({ path, version, blocks }) =>
        blocks.some((part) => part.block === block) && touches.isTouched(node, path, `${node.name} ${path} ${version} ${block}`),
    )
  }

  /** Throws OracleViolation for a block that went since the last look and was to stay. `targetMin`: the fewest copies that were ever asked for. */
  look(knows: Knows, targetMin: number): void {
    const { fleet, holdings, scheduler } = this.#world
    const all = this.#present
    for (const node of all) {
      const stored = holdings.stored(node)
      const gone = [...(this.#before.get(node) ?? [])].filter(
        (block) => !stored.has(block) && holdings.lossOf(node, block) === undefined && !storedOrVoid(node).has(block),
      )
      this.#before.set(node, stored)
      const host = fleet.of(node)
      if (host !== undefined && host.leaving !== 'no') {
        this.#named.forget(node)
        this.#checkLeft(node, gone, knows)
        continue
      }
      this.#lonely.delete(node)
      for (const block of gone) {
        if (host !== undefined) {
          this.#checkGrace(node, block, knows, targetMin)
          this.#checkKept(node, block, knows, targetMin)
        }
        this.#checkLast(node, block, knows)
      }
      if (host !== undefined) this.#named.look(node, stored, knows(node), scheduler.nowUs)
    }
  }

  /** Who may have blocks, also of a host that is not counted on any more. */
  get #present(): readonly SimNode[] {
    return [...this.#world.readers(), ...this.#world.fleet.present.map(({ node }) => node)]
  }

  #checkLeft(node: SimNode, gone: readonly string[], knows: Knows): void {
    const all = this.#present
    for (const block of gone.filter((one) => this.#lonely.get(node)?.has(one))) {
      const referring = all.find((one) => refersTo(knows(one), block, undefined))
      if (referring === undefined || this.#isAnywhere(block, knows)) continue
      throw new OracleViolation(
        `the folder was taken off ${node.name} with block ${shortly(block)}, which ${referring.name} refers to and nobody else had`,
      )
    }
  }

  /** Of the history of others nobody knows: who replaced a file has its old content no more, and hosts keep that for a grace alone. */
  #checkLast(node: SimNode, block: string, knows: Knows): void {
    const isKept = placesOf(knows(node), block).length > 0
    const referring = isKept ? node : this.#present.find((one) => refersTo(knows(one), block, knows(node)))
    if (referring === undefined || this.#isAnywhere(block, knows)) return
    throw new OracleViolation(`${node.name} let go of block ${shortly(block)}, which ${referring.name} refers to and nobody else has`)
  }

  /** What others keep goes as what is not the host's own to hold. */
  #checkGrace(node: SimNode, block: string, knows: Knows, targetMin: number): void {
    const { holdings, scheduler, garbageMs } = this.#world
    const namedUs = this.#named.of(node, block)
    if (namedUs === undefined || knows(node)?.currentBlocks.has(block) === true) return
    const goneMs = (scheduler.nowUs - namedUs) / 1000
    if (goneMs >= garbageMs - awakeStepMs) return
    const keepers = this.#present.filter(
      (one) =>
        one !== node &&
        (holdings.stored(one).has(block) ||
          holdings.lossOf(one, block) !== undefined ||
          placesOf(knows(one), block).some(({ file, part }) => holdings.has(one, file, part))),
    )
    if (keepers.length >= targetMin) return
    throw new OracleViolation(
      `${node.name} let go of block ${shortly(block)} too soon: an entry named it ${goneMs} ms before, and it is to stay ${garbageMs} ms`,
    )
  }

  /** Of a current entry at least as many others keep a block as there are to be copies. */
  #checkKept(node: SimNode, block: string, knows: Knows, targetMin: number): void {
    const { fleet, holdings, touches } = this.#world
    const file = this.#fileOf(block, knows)
    if (file === undefined || knows(node)?.versions.get(file.entry)?.has(file.version) !== true) return
    const [part] = file.blocks.filter((one) => one.block === block)
    if (part === undefined) return
    // What an accident or a person took since then was there when it was asked for.
    const keepers = this.#present.filter(
      (one) =>
        one !== node &&
        (holdings.has(one, file, part) ||
          holdings.lossOf(one, block) !== undefined ||
          (fleet.of(one) === undefined && touches.isTouched(one, file.path, ''))),
    )
    if (keepers.length >= targetMin) return
    const who = keepers.map(({ name }) => name).join(' and ')
    throw new OracleViolation(`${node.name} let go of block ${shortly(block)} of ${file.path}, which ${who} alone keep`)
  }

  /** The file that has the block, as somebody who can read it knows it. */
  #fileOf(block: string, knows: Knows): KnownFile | undefined {
    const files = this.#world.readers().flatMap((reader) => knows(reader)?.files ?? [])
    return files.find(({ blocks }) => blocks.some((part) => part.block === block))
  }

  #isAnywhere(block: string, knows: Knows): boolean {
    const { holdings, readers } = this.#world
    const all = this.#present
    if (all.some((node) => holdings.stored(node).has(block))) return true
    return readers().some((reader) => {
      const places = placesOf(knows(reader), block)
      return places.some(({ file, part }) => all.some((node) => holdings.has(node, file, part)))
    })
  }
}

/** Whether a current entry names the block. What is behind, and names what `other` knows to be replaced, does not count. */
function refersTo(knowledge: Knowledge | undefined, block: string, other: Knowledge | undefined): boolean {
  if (knowledge?.currentBlocks.has(block) !== true) return false
  const naming = knowledge.files.filter(({ blocks }) => blocks.some((part) => part.block === block))
  return naming.some(({ entry, vector }) => {
    const versions = other?.versions.get(entry) ?? new Map<string, VersionVector>()
    return ![...versions.values()].some((newer) => compareVectors(vector, newer) === 'before')
  })
}

/** Where current entries and history have the block. */
function placesOf(
  knowledge: Knowledge | undefined,
  block: string,
): readonly { readonly file: Pick<KnownFile, 'path'>; readonly part: KnownBlock }[] {
  const files = [...(knowledge?.files ?? []), ...(knowledge?.past ?? [])]
  return files.flatMap((file) => file.blocks.filter((part) => part.block === block).map((part) => ({ file, part })))
}
