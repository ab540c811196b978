// A process that is the real `holdfast serve` around controls in memory. Arguments are those of `serve`.
// FAKE_DEGRADED=1 gives it a problem; FAKE_SLOW_END=1 a node that never ends.

import { processCli } from '../../engine/bin/process-cli.ts'
import { runProgram } from '../../engine/bin/program.ts'
import type { OpenNode } from '../../engine/bin/serve.ts'
import { FakeControls } from './fake-controls.ts'

const openFakeNode: OpenNode = async () => {
  const { promise: stopped, resolve } = Promise.withResolvers<void>()
  const controls = new FakeControls({ stopped: resolve })
  if (process.env['FAKE_DEGRADED'] === '1')
    controls.problems = [{ code: 'FAKE', severity: 'error', text: 'the disk is on fire', next: 'put it out', folder: 'Photos' }]
  const dispose = (): Promise<void> => (process.env['FAKE_SLOW_END'] === '1' ? new Promise(() => undefined) : Promise.resolve())
  return { controls, stopped, [Symbol.asyncDispose]: dispose }
}

const exitCode = await runProgram(
  processCli(async () => openFakeNode),
  ['serve', ...process.argv.slice(2)],
)
if (exitCode !== undefined) process.exitCode = exitCode
