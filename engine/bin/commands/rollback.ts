// `holdfast rollback`: brings a folder or a part of it back to what it was. Exit code 4 when some of the content could not be had.

import type { Command } from 'commander'
import type { RolledBack } from '../../api/controls.ts'
import { openSession, quoted, typedCommand, withExamples } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { exitDegraded } from '../exit-codes.ts'
import { absolutePath, folderArgument, pathArgument } from '../paths.ts'
import { countText, printable } from '../text.ts'
import { exactTimeText, parseTimeMs } from '../time.ts'

interface RollbackOptions {
  readonly at: string
  readonly path?: string
  readonly to?: string
}

export function addRollbackCommand(program: Command, cli: Cli): void {
  const command = program
    .command('rollback')
    .description('bring a folder back to what it was on this node at a time, for all members; can itself be undone (exit code 4: in part)')
    .argument('<folder>', 'a name, a path or the start of an id')
    .requiredOption('--at <time>', 'such as 2h or 3d (ago), 2026-11-20 or 2026-11-20T14:30')
    .option('--path <path>', 'only this file or directory of the folder')
    .option('--to <dir>', 'write it there, into a directory that is empty or not there yet, and leave the folder as it is')
  withExamples(command, ['rollback Notes --at 2h', 'rollback Notes --at 2026-11-20T14:30 --path drafts --to ~/drafts-then']).action(
    async (typed: string, { at, path, to }: RollbackOptions) => {
      const { client, print, home, speak } = openSession(cli, command)
      const part = path === undefined ? {} : { path: pathArgument(path, cli) }
      const place = to === undefined ? {} : { to: absolutePath(to, cli) }
      const atMs = parseTimeMs(at, cli.clock.nowMs())
      const rolledBack = await client.call('rollback', { folder: folderArgument(typed, cli), atMs, ...part, ...place })
      const again = path === undefined ? '' : ` --path ${quoted(path)}`
      print(rolledBack, speak(rollbackText(rolledBack, `${typedCommand(cli, home)} rollback ${quoted(typed)}${again}`)))
      if (rolledBack.missingCount > 0) cli.setExitCode(exitDegraded)
    },
  )
}

function rollbackText({ restored, removed, missing, missingCount, state, undoAtMs }: RolledBack, again: string): string {
  const lines = [`${countText(restored, 'path')} brought back, ${countText(removed, 'path')} removed.`]
  if (state === 'underWay') lines.push('Some of it is still on its way; "holdfast wait" returns when it is done.')
  if (missingCount > 0) {
    lines.push(`${countText(missingCount, 'path')} could not be had, since no member that can be reached now has all of the content:`)
    lines.push(...missing.map((path) => `  ${printable(path)}`))
  }
  if (undoAtMs !== undefined && restored + removed > 0) lines.push(`Undo it with: ${again} --at ${exactTimeText(undoAtMs)}`)
  return lines.join('\n')
}
