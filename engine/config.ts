// What a node is told when it starts: plain data, and its making from the options of `serve`. No defaults elsewhere.

import { EngineError } from './base/errors.ts'
import { parseBucketConfig, type BucketConfig, type BucketOptions } from './bucket-config.ts'
import { sizeBytesOf } from './base/size.ts'
import type { NodeClass } from './api/controls.ts'

export interface NodeConfig {
  /** Absolute path of the node's home directory. */
  readonly home: string
  /** Multiaddrs. Port 0 takes any free port. */
  readonly listen: readonly string[]
  /** What people see of this node. */
  readonly name: string
  readonly zone: string
  readonly class: NodeClass
  /** What this node offers to hold for others; absent: no limit but the disk's. */
  readonly capacityBytes?: number
  /** Whether other nodes are looked for on the local network. */
  readonly discovery: boolean
  readonly watch: 'auto' | 'polling'
  /** Where its blocks are; absent: in the home. */
  readonly bucket?: BucketConfig
  /** The block store that the home had is gone for good. */
  readonly newStore: boolean
  /** Every byte over the network costs. */
  readonly metered: boolean
}

/** Texts as they come from the command line; the caller has made the paths absolute. */
export interface NodeOptions extends BucketOptions {
  readonly home: string
  readonly listen?: readonly string[]
  readonly name?: string
  readonly zone?: string
  readonly class?: string
  readonly capacity?: string
  readonly discovery?: boolean
  readonly watch?: string
  readonly newStore?: boolean
  readonly metered?: boolean
}

export const defaultListen: readonly string[] = ['/ip4/0.0.0.0/tcp/0', '/ip6/::/tcp/0']
const defaultZone = 'home'
const labelCharactersMax = 64
const listenMax = 16

/** Throws `BAD_ARGUMENT` with the option's name and what it may hold. */
export function parseNodeConfig(
  options: NodeOptions,
  hostName: string,
  env: Readonly<Record<string, string | undefined>> = {},
): NodeConfig {
  const listen = options.listen === undefined || options.listen.length === 0 ? defaultListen : options.listen
  if (listen.length > listenMax) throw refused('--listen', String(listen.length), `give at most ${listenMax} addresses`)
  const bucket = parseBucketConfig(options, env)
  return {
    home: options.home,
    listen: listen.map(parseListen),
    name: parseLabel('--name', options.name ?? (hostName.slice(0, labelCharactersMax) || 'node')),
    zone: parseLabel('--zone', options.zone ?? defaultZone),
    class: parseClass(options.class ?? 'daily'),
    ...(options.capacity === undefined ? {} : { capacityBytes: parseSizeBytes('--capacity', options.capacity) }),
    discovery: options.discovery ?? true,
    watch: parseWatch(options.watch ?? 'auto'),
    ...(bucket === undefined ? {} : { bucket }),
    newStore: options.newStore ?? false,
    metered: options.metered ?? false,
  }
}

/** The shape only: the network layer knows which addresses exist here. */
function parseListen(text: string): string {
  const match = /^\/(?:ip4\/[\d.]+|ip6\/[\da-fA-F:.]+)\/tcp\/(\d{1,5})$/.exec(text)
  if (match === null || Number(match[1]) > 65_535)
    throw refused('--listen', text, 'give a multiaddr such as /ip4/0.0.0.0/tcp/4001 (port 0 takes any free one)')
  return text
}

function parseLabel(option: string, text: string): string {
  // Control characters would garble the terminals of everyone who lists this node.
  if (text.trim() === '' || text.length > labelCharactersMax || /\p{C}/u.test(text)) {
    throw refused(option, JSON.stringify(text), `give 1 to ${labelCharactersMax} printable characters`)
  }
  return text
}

function parseClass(text: string): NodeClass {
  if (text === 'always-on' || text === 'daily' || text === 'occasional') return text
  throw refused('--class', text, 'give always-on, daily or occasional')
}

function parseWatch(text: string): 'auto' | 'polling' {
  if (text === 'auto' || text === 'polling') return text
  throw refused('--watch', text, 'give auto or polling')
}

/** `500GB` is decimal, `500GiB` and `500G` are binary. Whole bytes. */
export function parseSizeBytes(option: string, text: string): number {
  const sizeBytes = sizeBytesOf(text)
  if (sizeBytes === undefined) throw refused(option, text, 'give a size such as 500GB, 1.5TiB or 200G')
  return sizeBytes
}

const durationUnits: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `60s`, `500ms`, `5m`, `2h`, `1d`; a bare number is seconds. Milliseconds. */
export function parseDurationMs(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?$/i.exec(text.trim())
  const durationMs = Math.round(Number(match?.[1]) * (durationUnits[(match?.[2] ?? 's').toLowerCase()] ?? Number.NaN))
  if (!Number.isSafeInteger(durationMs)) throw refused(option, text, 'give a duration such as 60s, 5m or 500ms')
  return durationMs
}

function refused(option: string, given: string, next: string): EngineError {
  return new EngineError('BAD_ARGUMENT', `${option} ${given}: ${next}`)
}
