// The admin log: whatever is forged, moved, cut out, doubled or foreign in it is refused, and nothing of it is taken over.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { create, fromBinary, toBinary } from '@bufbuild/protobuf'

import { present } from '../../engine/base/assert.ts'
import { EngineError } from '../../engine/base/errors.ts'
import { createIdentity, type Identity } from '../../engine/crypto/identity.ts'
import type { Role } from '../../engine/model/folder.ts'
import { LogBodySchema, type LogBody } from '../../engine/model/wire/entry_pb.ts'
import { encodeEntry, FolderLog } from '../../engine/share/folder-log.ts'
import { folderIdOf, signEntry, type LogFact, type SignedEntry } from '../../engine/share/log-entry.ts'
import { LogGraph } from '../../engine/share/log-graph.ts'
import { IndexNode } from '../support/index-world.ts'

const [owner, second, writer, stranger] = [1, 2, 3, 4].map((number) => createIdentity(new Uint8Array(32).fill(number)))
assert.ok(owner !== undefined && second !== undefined && writer !== undefined && stranger !== undefined)

const created: LogFact = { kind: 'created', folderName: 'notes', nonce: new Uint8Array(16).fill(5), nodeName: 'desk', targetCopies: 2 }

function added(identity: Identity, role: Role, nodeName = 'node'): LogFact {
  return { kind: 'memberAdded', nodeKey: identity.publicKey, role, nodeName, linkId: new Uint8Array(8) }
}

interface Line {
  readonly signer: Identity
  readonly fact: LogFact
}

function logOf(lines: readonly Line[]): readonly SignedEntry[] {
  return lines.reduce<readonly SignedEntry[]>((entries, line) => [...entries, next(entries, line)], [])
}

/** The entry that continues these. */
function next(entries: readonly SignedEntry[], { signer, fact }: Line): SignedEntry {
  return signEntry(signer, entries.length === 0 ? [] : LogGraph.of(entries).heads, fact, 1000 + entries.length)
}

const log = logOf([
  { signer: owner, fact: created },
  { signer: owner, fact: added(second, 'owner', 'shelf') },
  { signer: second, fact: added(writer, 'write', 'lap') },
  { signer: owner, fact: added(stranger, 'host') },
])

function entryAt(at: number): SignedEntry {
  return present(log[at], 'an entry')
}

/** The same fact with other fields, signed by `signer` so that only the field is wrong. */
function resigned(at: number, change: (body: LogBody) => void, signer = owner ?? stranger): SignedEntry {
  const body = fromBinary(LogBodySchema, entryAt(at).body)
  change(body)
  const bytes = toBinary(LogBodySchema, create(LogBodySchema, body))
  return { body: bytes, signature: present(signer, 'a signer').sign('admin-log', bytes) }
}

function flipped(at: number, part: 'body' | 'signature', byte: number): SignedEntry {
  const entry = { body: entryAt(at).body.slice(), signature: entryAt(at).signature.slice() }
  entry[part][byte] = (entry[part][byte] ?? 0) ^ 1
  return entry
}

function isRefused(error: unknown): boolean {
  return error instanceof EngineError && error.code === 'BAD_SIGNATURE' && error.message.length > 30
}

describe('an admin log', () => {
  it('says who is a member, in what role, in the order of joining', () => {
    const { state, length } = LogGraph.of(log)
    assert.deepEqual(
      state.members.map(({ peer, role, name }) => [peer, role, name]),
      [
        [owner.peerId, 'owner', 'desk'],
        [second.peerId, 'owner', 'shelf'],
        [writer.peerId, 'write', 'lap'],
        [stranger.peerId, 'host', 'node'],
      ],
    )
    assert.deepEqual([state.folderName, state.targetCopies, state.createdMs, length], ['notes', 2, 1000, 4])
    assert.deepEqual(state.folder, folderIdOf(entryAt(0)))
  })

  it('gives a member that is added again the newer role', () => {
    const { members } = LogGraph.of([...log, next(log, { signer: owner, fact: added(writer, 'read') })]).state
    assert.equal(members.filter(({ peer }) => peer === writer.peerId).length, 1)
    assert.equal(members.find(({ peer }) => peer === writer.peerId)?.role, 'read')
  })

  const foreign = logOf([
    { signer: owner, fact: { ...created, nonce: new Uint8Array(16).fill(6) } },
    { signer: owner, fact: added(second, 'owner') },
  ])
  const wrong: readonly (readonly [string, () => readonly SignedEntry[]])[] = [
    ['that is empty', () => []],
    ['without its first entry', () => log.slice(1)],
    ['without an entry in the middle', () => [entryAt(0), entryAt(2), entryAt(3)]],
    ['with an entry twice', () => [entryAt(0), entryAt(1), entryAt(1)]],
    ['with two entries in each other’s place', () => [entryAt(0), entryAt(2), entryAt(1)]],
    ['with its first entry twice', () => [entryAt(0), entryAt(0)]],
    ['with an entry of another folder', () => [entryAt(0), present(foreign[1], 'an entry')]],
    ['of one folder under the beginning of another', () => [present(foreign[0], 'an entry'), ...log.slice(1)]],
    [
      'with an entry by a member that is no owner',
      () => [...log.slice(0, 3), next(log.slice(0, 3), { signer: writer, fact: added(stranger, 'write') })],
    ],
    [
      'with an entry by a stranger',
      () => [...log.slice(0, 3), next(log.slice(0, 3), { signer: stranger, fact: added(stranger, 'owner') })],
    ],
    ['with an entry by a host', () => [...log, next(log, { signer: stranger, fact: added(stranger, 'owner') })]],
    ['with the key of an owner and the signature of another', () => [entryAt(0), resigned(1, () => undefined, stranger)]],
    ['with a second creation', () => [entryAt(0), next(log.slice(0, 1), { signer: owner, fact: created })]],
    ['with another position', () => [entryAt(0), resigned(1, (body) => (body.position = 2n))]],
    ['with another chain', () => [entryAt(0), resigned(1, (body) => (body.parents = [new Uint8Array(32)]))]],
    ['that begins with a chain', () => [resigned(0, (body) => (body.parents = [new Uint8Array(32)]))]],
    ['that begins with a member', () => [resigned(1, (body) => ((body.position = 0n), (body.parents = [])))]],
    ['with a role that is none', () => [entryAt(0), resigned(1, (body) => body.fact.case === 'memberAdded' && (body.fact.value.role = 9))]],
    [
      'with a short key',
      () => [entryAt(0), resigned(1, (body) => body.fact.case === 'memberAdded' && (body.fact.value.nodeKey = new Uint8Array(31)))],
    ],
    ['with a short author key', () => [entryAt(0), resigned(1, (body) => (body.authorKey = new Uint8Array(31)))]],
    [
      'with a name over the limit',
      () => [entryAt(0), resigned(1, (body) => body.fact.case === 'memberAdded' && (body.fact.value.nodeName = 'x'.repeat(257)))],
    ],
    ['with bytes that are no entry', () => [{ body: Uint8Array.of(255, 255, 255), signature: entryAt(0).signature }]],
    ['with an entry over the limit', () => [{ body: new Uint8Array(70_000), signature: entryAt(0).signature }]],
  ]
  for (const [what, make] of wrong) it(`${what} is refused`, () => assert.throws(() => LogGraph.of(make()), isRefused))

  it('with any bit of it changed is refused, or is another folder', () => {
    for (const [at, entry] of log.slice(0, 2).entries()) {
      for (const part of ['body', 'signature'] as const) {
        for (let byte = 0; byte < entry[part].length; byte++) {
          assert.throws(
            () => LogGraph.of(log.map((each, position) => (position === at ? flipped(at, part, byte) : each))),
            (error) => error instanceof EngineError && (error.code === 'BAD_SIGNATURE' || error.code === 'VERSION_UNSUPPORTED'),
          )
        }
      }
    }
  })

  it('of a newer format, or with a fact of one, asks for an update', () => {
    const isNewer = (error: unknown): boolean => error instanceof EngineError && error.code === 'VERSION_UNSUPPORTED'
    assert.throws(() => LogGraph.of([resigned(0, (body) => (body.version = 2))]), isNewer)
    assert.throws(() => LogGraph.of([entryAt(0), resigned(1, (body) => (body.fact = { case: undefined }))]), isNewer)
  })
})

describe('a stored admin log', () => {
  function open(entries: readonly SignedEntry[]): { readonly node: IndexNode; readonly stored: FolderLog; readonly growths: () => number } {
    const node = new IndexNode(0)
    let growths = 0
    node.index.transact(() => entries.forEach((entry, at) => node.index.folders.appendLog(node.handle.row, at, encodeEntry(entry))))
    return { node, stored: new FolderLog(node.index, node.handle.row, () => growths++), growths: () => growths }
  }

  it('grows by what continues it, from wherever it is told again', () => {
    const { node, stored, growths } = open(log.slice(0, 2))
    using _node = node
    stored.extend(log.slice(1, 3))
    stored.extend(log)
    stored.extend(log.slice(2, 3))
    assert.deepEqual([stored.length, growths()], [4, 2])
    assert.equal(new FolderLog(node.index, node.handle.row, () => undefined).length, 4)
    assert.deepEqual(stored.entriesFrom(2), log.slice(2))
  })

  it('waits where something is missing in between', () => {
    const { node, stored, growths } = open(log.slice(0, 1))
    using _node = node
    stored.extend(log.slice(2))
    assert.deepEqual([stored.length, growths()], [1, 0])
  })

  it('takes nothing over when one entry does not hold', () => {
    const { node, stored, growths } = open(log.slice(0, 1))
    using _node = node
    assert.throws(() => stored.extend([entryAt(1), flipped(2, 'body', 40)]), isRefused)
    assert.deepEqual([stored.length, growths(), node.index.folders.log(node.handle.row).length], [1, 0, 1])
    assert.equal(stored.isMember(second.peerId), false)
  })

  it('knows who may write', () => {
    const { node, stored } = open(log)
    using _node = node
    assert.deepEqual(
      [owner, second, writer, stranger].map(({ publicKey }) => stored.mayWrite(publicKey)),
      [true, true, true, false],
    )
    assert.equal(stored.mayWrite(new Uint8Array(32)), false)
    assert.equal(stored.roleOf(stranger.peerId), 'host')
  })
})
