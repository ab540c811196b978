// The admin log as all nodes come to read it: owners may act at the same time without knowing of each other, so entries form a graph, each
// naming the newest ones that its author knew. What it says depends on the set of entries alone, not on the order in which they came.
//
// Entries count in the order of their positions, those of one position by hash. A removal overrules all that the removed owner did without
// knowing of it, however early that claims to be, and all that was done by whom it made an owner so; but removals by who was an owner before
// the remover stand, so that of two owners who put each other out the earlier one stays. See docs/decisions/0057.

import { present } from '../base/assert.ts'
import { bytesKey, compareBytes, equalBytes } from '../base/bytes.ts'
import { openEntry, placeAfter, refused, type LogEntry, type SignedEntry } from './log-entry.ts'
import { applyFact, isOwner, rankOf, startState, type LogState, type Place } from './log-state.ts'

interface Node extends LogEntry {
  /** `bytesKey` of its hash. */
  readonly name: string
  readonly parentNodes: readonly Node[]
  /** Of the entry by which its author had become an owner. */
  readonly rank: Place
  /** Name of that entry. */
  readonly grant: string
  /** Key of the owner who is none any more by this entry. */
  readonly ousts: Uint8Array | undefined
}

export interface Grown {
  readonly graph: LogGraph
  /** What it has now and had not before. */
  readonly fresh: readonly SignedEntry[]
  /** Something was skipped that continues what is not there. */
  readonly hasGap: boolean
}

/** Below it a whole log fits in the answer to a join. */
const logEntriesMax = 10_000

/** Does not change: `with` gives a longer one. */
export class LogGraph {
  /** In the order in which they came: parents first. */
  readonly #nodes: ReadonlyMap<string, Node>
  /** Those that none continues. */
  readonly #heads: readonly Node[]
  /** What the log says to the author of an entry that continues this one alone; kept for the heads. */
  readonly #after: ReadonlyMap<string, LogState>
  readonly state: LogState

  private constructor(nodes: ReadonlyMap<string, Node>, heads: readonly Node[], after: ReadonlyMap<string, LogState>) {
    this.#nodes = nodes
    this.#heads = heads
    this.#after = after
    const [head] = heads
    const only = heads.length === 1 && head !== undefined ? after.get(head.name) : undefined
    this.state = only ?? stateOf([...nodes.values()])
  }

  /** Throws `BAD_SIGNATURE` when it is not a whole log, `VERSION_UNSUPPORTED` when it is of a newer format. */
  static of(entries: readonly SignedEntry[]): LogGraph {
    const [first, ...rest] = entries
    if (first === undefined) throw refused('it is empty')
    const entry = openEntry(first)
    if (entry.parents.length > 0 || entry.position !== 0) throw refused("it does not begin with the folder's creation")
    const state = startState(entry)
    const node: Node = { ...entry, name: bytesKey(entry.hash), parentNodes: [], rank: entry, grant: '', ousts: undefined }
    const graph = new LogGraph(new Map([[node.name, node]]), [node], new Map([[node.name, state]]))
    const { graph: whole, hasGap } = graph.#with(rest, (fresh) => fresh)
    if (hasGap) throw refused('an entry continues what is not there')
    if (whole.length !== entries.length) throw refused('an entry is in it twice')
    return whole
  }

  get length(): number {
    return this.#nodes.size
  }

  /** In an order in which an entry comes after its parents; one once given keeps its place. */
  get entries(): readonly SignedEntry[] {
    return [...this.#nodes.values()].map(({ signed }) => signed)
  }

  /** What the next entry continues. */
  get heads(): readonly Pick<LogEntry, 'hash' | 'position'>[] {
    return this.#heads
  }

  /** All that who has these heads may lack: their own past left out, as far as it is known here. */
  beyond(heads: readonly Uint8Array[]): readonly SignedEntry[] {
    const known = heads.flatMap((head) => this.#nodes.get(bytesKey(head)) ?? [])
    const past = withAncestors(known)
    return [...this.#nodes.values()].filter((node) => !past.has(node)).map(({ signed }) => signed)
  }

  /**
   * With entries that continue it; those that it has are skipped, and so are those whose parents are missing (`hasGap`). Throws
   * `BAD_SIGNATURE` when one does not hold, `VERSION_UNSUPPORTED` when one is of a newer format.
   */
  with(entries: readonly SignedEntry[]): Grown {
    return this.#with(entries, withoutIdle)
  }

  #with(entries: readonly SignedEntry[], select: (fresh: readonly Node[], all: readonly Node[]) => readonly Node[]): Grown {
    const nodes = new Map(this.#nodes)
    const after = new Map(this.#after)
    let hasGap = false
    for (const signed of entries) {
      const entry = openEntry(signed)
      const name = bytesKey(entry.hash)
      if (nodes.has(name)) continue
      if (nodes.size >= logEntriesMax) throw refused('it is longer than the limit')
      const parentNodes = entry.parents.flatMap((parent) => nodes.get(bytesKey(parent)) ?? [])
      if (parentNodes.length < entry.parents.length) {
        hasGap = true
        continue
      }
      const past = pastOf(parentNodes, after)
      const node = nodeOf(entry, name, parentNodes, past)
      nodes.set(name, node)
      after.set(name, applyFact(past, node))
    }
    const fresh = select([...nodes.values()].slice(this.length), [...nodes.values()])
    if (fresh.length === 0) return { graph: this, fresh: [], hasGap }
    const continued = new Set(fresh.flatMap(({ parentNodes }) => parentNodes))
    const heads = [...this.#heads, ...fresh].filter((node) => !continued.has(node))
    const kept = new Map([...this.#nodes, ...fresh.map((node) => [node.name, node] as const)])
    const graph = new LogGraph(kept, heads, new Map(heads.flatMap(({ name }) => [[name, present(after.get(name), 'a head')]])))
    return { graph, fresh: fresh.map(({ signed }) => signed), hasGap }
  }
}

/**
 * Of entries that came those that say something, and what they continue. An owner who was put out could write without end what claims to
 * be from before; that is taken only where somebody whose word counts has built on it.
 */
function withoutIdle(fresh: readonly Node[], all: readonly Node[]): readonly Node[] {
  const state = stateOf(all)
  if (fresh.every(({ authorKey }) => isOwner(state, authorKey))) return fresh
  const overruled = overruledIn(all.toSorted(comparePlaces))
  const wanted = withAncestors(fresh.filter((node) => !overruled.has(node)))
  return fresh.filter((node) => wanted.has(node))
}

/** What the log said to an author who continues these entries. */
function pastOf(parents: readonly Node[], after: ReadonlyMap<string, LogState>): LogState {
  const [only, ...others] = parents
  const known = only === undefined || others.length > 0 ? undefined : after.get(only.name)
  return known ?? stateOf([...withAncestors(parents)])
}

function nodeOf(entry: LogEntry, name: string, parentNodes: readonly Node[], past: LogState): Node {
  if (entry.fact.kind === 'created' || parentNodes.length === 0) throw refused('the folder is created twice')
  if (entry.position !== placeAfter(parentNodes)) throw refused('an entry is out of its place')
  if (!isOwner(past, entry.authorKey)) throw refused('an entry was not written by an owner')
  const rank = rankOf(past, entry.authorKey)
  return { ...entry, name, parentNodes, rank, grant: bytesKey(rank.hash), ousts: oustedBy(entry, past) }
}

function oustedBy({ fact }: LogEntry, past: LogState): Uint8Array | undefined {
  const isEnd = fact.kind === 'memberRemoved' || (fact.kind === 'memberAdded' && fact.role !== 'owner')
  return isEnd && isOwner(past, fact.nodeKey) ? fact.nodeKey : undefined
}

/** `nodes` holds the parents of each. */
function stateOf(nodes: readonly Node[]): LogState {
  const ordered = nodes.toSorted(comparePlaces)
  const overruled = overruledIn(ordered)
  const [first, ...rest] = ordered
  let state = startState(present(first, 'a log has a first entry'))
  for (const node of rest) if (!overruled.has(node)) state = applyFact(state, node)
  return state
}

function comparePlaces(left: Place, right: Place): number {
  return left.position - right.position || compareBytes(left.hash, right.hash)
}

/**
 * What was written without knowing of a removal, by or for whom it puts out. Removals are heard in the order in which their authors became
 * owners: what an earlier one overrules says nothing any more, what it decided stands. So nothing hangs on an entry that is overruled, and
 * whoever lacks it comes to the same. `ordered`: parents before children.
 */
function overruledIn(ordered: readonly Node[]): ReadonlySet<Node> {
  const overruled = new Set<Node>()
  const heard = new Set<Node>()
  const removals = ordered.filter(({ fact, ousts }) => fact.kind === 'memberRemoved' || ousts !== undefined)
  for (const removal of removals.toSorted((left, right) => comparePlaces(left.rank, right.rank) || comparePlaces(left, right))) {
    if (overruled.has(removal)) continue
    heard.add(removal)
    for (const node of apartFrom(removal, ordered)) if (isOverruledBy(removal, node) && !heard.has(node)) overruled.add(node)
    const names = new Set([...overruled].map(({ name }) => name))
    for (const node of ordered) {
      if (!names.has(node.grant)) continue
      names.add(node.name)
      overruled.add(node)
    }
  }
  return overruled
}

function isOverruledBy({ fact, ousts }: Node, node: Node): boolean {
  if (ousts !== undefined && equalBytes(node.authorKey, ousts)) return true
  return fact.kind === 'memberRemoved' && node.fact.kind === 'memberAdded' && equalBytes(node.fact.nodeKey, fact.nodeKey)
}

/** Entries that did not know of this one, nor it of them. */
function apartFrom(node: Node, ordered: readonly Node[]): readonly Node[] {
  const past = withAncestors([node])
  const future = new Set<Node>([node])
  return ordered.filter((other) => {
    if (past.has(other)) return false
    if (!other.parentNodes.some((parent) => future.has(parent))) return true
    future.add(other)
    return false
  })
}

function withAncestors(nodes: readonly Node[]): ReadonlySet<Node> {
  const found = new Set<Node>(nodes)
  for (const node of found) for (const parent of node.parentNodes) found.add(parent) // a set is walked with what is added on the way
  return found
}
