// `holdfast folder …`: the folders of this node.

import { InvalidArgumentError } from 'commander'
import type { Command } from 'commander'
import type { CallName, Calls } from '../../api/calls.ts'
import { openSession, quoted, typedCommand, withExamples } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { absolutePath, folderArgument } from '../paths.ts'
import { followUntilSynced } from '../progress.ts'
import { columnsText, countText, printable, sizeText } from '../text.ts'
import { foldersText, noFolders } from './status.ts'

export function addFolderCommands(program: Command, cli: Cli): void {
  const folder = program.command('folder').description('add, list and steer the folders of this node')
  withExamples(folder, ['folder add ~/Photos', 'folder list --json', 'folder pause Photos'])
  addAdd(folder, cli)
  addList(folder, cli)
  addRemove(folder, cli)
  addSteering(folder, cli, { name: 'pause', call: 'pauseFolder', description: 'stop syncing a folder for now', done: 'Paused.' })
  addSteering(folder, cli, { name: 'resume', call: 'resumeFolder', description: 'go on syncing a paused folder', done: 'Resumed.' })
  addRescan(folder, cli)
  addSet(folder, cli)
}

function addRemove(folder: Command, cli: Cli): void {
  const command = folder
    .command('remove')
    .description('stop syncing a folder here; its files stay. Where it is only stored, sealed, what is stored goes')
    .argument('<folder>', 'a name, a path or the start of an id')
    .option('--force', 'also when this node alone stores some of it')
  withExamples(command, ['folder remove Photos', 'folder remove ~/Photos']).action(
    async (typed: string, { force }: { readonly force?: true }) => {
      const { client, print } = openSession(cli, command)
      await client.call('removeFolder', { folder: folderArgument(typed, cli), ...(force === undefined ? {} : { force }) })
      print(
        { ok: true },
        'Removed from this node. Files in its directory are still there; of a folder that was only stored here, sealed, nothing is.',
      )
    },
  )
}

function addSet(folder: Command, cli: Cli): void {
  const command = folder
    .command('set')
    .description('change settings of a folder on this node, or show them')
    .argument('<folder>', 'a name, a path or the start of an id')
    .argument(
      '[settings...]',
      'KEY=VALUE: copies (2, for all members; owners set it), grant (none), history.days (30), history.share (25%), merge.append (none)',
      collectSetting,
    )
  withExamples(command, ['folder set Photos', 'folder set Photos history.days=90 history.share=10%']).action(
    async (typed: string, given: Readonly<Record<string, string>> | readonly never[]) => {
      const settings = isNone(given) ? {} : given // none given: commander has an empty list
      const { client, print } = openSession(cli, command)
      const answer = await client.call('setFolder', { folder: folderArgument(typed, cli), settings })
      print(answer, columnsText(Object.entries(answer.settings), '  '))
    },
  )
}

function isNone(given: Readonly<Record<string, string>> | readonly never[]): given is readonly never[] {
  return Array.isArray(given)
}

function collectSetting(text: string, before: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('give KEY=VALUE, for example history.days=90.')
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}

interface AddOptions {
  readonly name?: string
  readonly copies?: number
}

function addAdd(folder: Command, cli: Cli): void {
  const command = folder
    .command('add')
    .description('start a new folder with the tree at PATH')
    .argument('<path>', 'an existing directory')
    .option('--name <name>', 'what to call it (the directory’s name otherwise)')
    .option('--copies <count>', 'on how many machines each file is to be', parseCount)
  withExamples(command, ['folder add ~/Photos', 'folder add /srv/data --name Data --copies 3']).action(
    async (path: string, options: AddOptions) => {
      const session = openSession(cli, command)
      const { name, copies } = options
      const request = {
        path: absolutePath(path, cli),
        ...(name === undefined ? {} : { name }),
        ...(copies === undefined ? {} : { copies }),
      }
      const added = await session.client.call('addFolder', request)
      const typed = typedCommand(cli, session.home)
      session.print(added, `Added ${printable(added.name)} (${added.id.slice(0, 8)}) at ${printable(added.path)}.`)
      if (!session.isWatched) return
      const { end } = await followUntilSynced(cli, session, { folder: added.id, endWhenStuck: true })
      cli.terminal.out(
        end === 'synced'
          ? `The first scan is done. Invite another machine with: ${typed} share ${quoted(added.name)}`
          : `The scan goes on in the daemon. See how far it is with: ${typed} status`,
      )
    },
  )
}

function addList(folder: Command, cli: Cli): void {
  const command = folder.command('list').description('list the folders of this node')
  withExamples(command, ['folder list', 'folder list --json']).action(async () => {
    const { client, print, home } = openSession(cli, command)
    const { folders } = await client.call('folders', {})
    print({ folders }, folders.length === 0 ? noFolders(typedCommand(cli, home)) : foldersText(folders))
  })
}

function addRescan(folder: Command, cli: Cli): void {
  const command = folder
    .command('rescan')
    .description('walk the whole tree now and wait for it')
    .argument('<folder>', 'a name, a path or the start of an id')
    .option('--verify', 'read every file again: find bytes that changed though nobody changed them, and have them put right')
  withExamples(command, ['folder rescan Photos', 'folder rescan Photos --verify']).action(
    async (typed: string, { verify = false }: { readonly verify?: boolean }) => {
      const { client, print, speak } = openSession(cli, command)
      const input = { folder: folderArgument(typed, cli) }
      if (!verify) {
        await client.call('rescanFolder', input)
        return print({ ok: true }, 'Scanned.')
      }
      const verified = await client.call('verifyFolder', input)
      const { files, bytes, rotten } = verified
      const read = `Read ${countText(files, 'file')}, ${sizeText(bytes)}.`
      print(
        verified,
        rotten.length === 0
          ? `${read} All of them hold what they held.`
          : `${read} Changed by themselves:\n${listText(rotten)}\n${speak('See: holdfast problems')}`,
      )
    },
  )
}

const listedMax = 50

function listText(paths: readonly string[]): string {
  const lines = paths.slice(0, listedMax).map((path) => `  ${printable(path)}`)
  return [...lines, ...(paths.length > listedMax ? [`  and ${paths.length - listedMax} more`] : [])].join('\n')
}

/** The calls that take a folder and give nothing. */
type SteeringCall = { [Name in CallName]: Calls[Name]['input'] extends { readonly folder: string } ? Name : never }[CallName]

interface Steering {
  readonly name: string
  readonly call: Exclude<SteeringCall, 'share' | 'verifyFolder'>
  readonly description: string
  readonly done: string
}

function addSteering(folder: Command, cli: Cli, { name, call, description, done }: Steering): void {
  const command = folder.command(name).description(description).argument('<folder>', 'a name, a path or the start of an id')
  withExamples(command, [`folder ${name} Photos`, `folder ${name} ~/Photos`]).action(async (typed: string) => {
    const { client, print } = openSession(cli, command)
    await client.call(call, { folder: folderArgument(typed, cli) })
    print({ ok: true }, done)
  })
}

function parseCount(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new InvalidArgumentError('give a whole number from 1.')
  return Number(text)
}
