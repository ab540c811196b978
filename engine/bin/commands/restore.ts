// `holdfast restore`: brings one past version back.

import type { Command } from 'commander'
import { openSession, quoted, typedCommand, withExamples } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { absolutePath, folderArgument, pathArgument } from '../paths.ts'
import { printable } from '../text.ts'
import { exactTimeText } from '../time.ts'

interface RestoreOptions {
  readonly version: string
  readonly to?: string
}

export function addRestoreCommand(program: Command, cli: Cli): void {
  const command = program
    .command('restore')
    .description('bring a past version of a path back, for all members; what it replaces becomes a past version itself')
    .argument('<folder>', 'a name, a path or the start of an id')
    .argument('<path>', 'in the folder')
    .requiredOption('--version <id>', 'which one, as "holdfast history" shows it')
    .option('--to <path>', 'write it there, where nothing is yet, and leave the folder as it is')
  withExamples(command, ['restore Notes todo.txt --version 12', 'restore Notes todo.txt --version 12 --to ~/old-todo.txt']).action(
    async (typed: string, path: string, { version, to }: RestoreOptions) => {
      const { client, print, home } = openSession(cli, command)
      const place = to === undefined ? {} : { to: absolutePath(to, cli) }
      const folder = folderArgument(typed, cli)
      const restored = await client.call('restore', { folder, path: pathArgument(path, cli), version, ...place })
      const { state, undoAtMs } = restored
      const done = state === 'done' ? `Restored ${printable(restored.path)}.` : `${printable(restored.path)} is on its way.`
      const undo = undoAtMs === undefined ? '' : ` --at ${exactTimeText(undoAtMs)}`
      const again = `${typedCommand(cli, home)} rollback ${quoted(typed)} --path ${quoted(restored.path)}${undo}`
      print(restored, undo === '' ? done : `${done} Undo it with: ${again}`)
    },
  )
}
