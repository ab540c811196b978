// Which ports the node listened on last: a node that asks for any free port keeps the one it got, so that links and
// remembered addresses stay good over a restart.

import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'

export type PortMemory = Readonly<Record<string, number>>

const anyPort = /\/tcp\/0$/

/** What was written last; nothing when there is no such file or it makes no sense. */
export function readPorts(path: string): PortMemory {
  try {
    return parsePorts(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    return {} // a memory that is lost costs a new port, no more
  }
}

function parsePorts(value: unknown): PortMemory {
  if (typeof value !== 'object' || value === null) return {}
  const ports: Record<string, number> = {}
  for (const [listen, port] of Object.entries(value)) {
    if (typeof port === 'number' && Number.isInteger(port) && port > 0 && port < 65_536) ports[listen] = port
  }
  return ports
}

/** The addresses to listen on, with remembered ports in the place of "any". */
export function withPorts(listen: readonly string[], ports: PortMemory): readonly string[] {
  return listen.map((address) => {
    const port = ports[address]
    return port === undefined || !anyPort.test(address) ? address : address.replace(anyPort, `/tcp/${port}`)
  })
}

/** Remembers, for each address with any port, the port that one of `addresses` of its family got. Writes what is new only. Throws what the file system throws. */
export function rememberPorts(path: string, listen: readonly string[], addresses: readonly string[]): void {
  const ports: Record<string, number> = {}
  for (const wanted of listen) {
    const family = wanted.split('/')[1] ?? ''
    const match = addresses.map((address) => new RegExp(`^/${family}/[^/]+/tcp/(\\d+)/`).exec(address)).find((found) => found !== null)
    if (anyPort.test(wanted) && match !== undefined) ports[wanted] = Number(match?.[1])
  }
  const known = readPorts(path)
  const isKnown = Object.keys(known).length === Object.keys(ports).length && Object.entries(ports).every(([at, port]) => known[at] === port)
  if (isKnown && existsSync(path)) return
  const temporary = `${path}.new`
  writeFileSync(temporary, `${JSON.stringify(ports)}\n`, { mode: 0o600 })
  renameSync(temporary, path)
}
