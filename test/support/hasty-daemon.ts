// The `holdfast` command, whose daemon lets go of blocks and stands in for others as soon as it may: what takes minutes or weeks otherwise, for
// tests with real daemons.

import { processCli } from '../../engine/bin/process-cli.ts'
import { runProgram } from '../../engine/bin/program.ts'
import type { OpenNode } from '../../engine/bin/serve.ts'
import { openNode, type NodePaces } from '../../engine/node.ts'

const paces: NodePaces = {
  retirePace: { surplusMs: 0, garbageMs: 0, firstMs: 2000, lookMs: 2000, settleMs: 500, pressedMs: 1000 },
  standInPace: { lookMs: 500, patienceMs: 0, nextMs: 600_000 },
}

const load = async (): Promise<OpenNode> => await Promise.resolve((config, log, signal) => openNode(config, log, signal, paces))
const exitCode = await runProgram(processCli(load), process.argv.slice(2))
if (exitCode !== undefined) process.exitCode = exitCode
