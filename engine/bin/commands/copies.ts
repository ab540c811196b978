// `holdfast copies`: how many copies there are of each file, and who holds them.

import { InvalidArgumentError } from 'commander'
import type { Command } from 'commander'
import type { CopiesList, MemberStatus } from '../../api/controls.ts'
import { openSession, withExamples } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { folderArgument } from '../paths.ts'
import { columnsText, countText, printable, sizeText } from '../text.ts'

interface CopiesOptions {
  readonly worst?: boolean
  readonly limit?: number
}

export function addCopiesCommand(program: Command, cli: Cli): void {
  const command = program
    .command('copies')
    .description('show how many copies there are of each file, in how many places, and who holds them')
    .argument('<folder>', 'a name, a path or the start of an id')
    .argument('[path]', 'a file or directory in the folder')
    .option('--worst', 'those with the fewest copies first')
    .option('--limit <count>', 'how many files at most (1000 otherwise)', parseLimit)
  withExamples(command, ['copies Photos', 'copies Photos summer --json', 'copies Photos --worst --limit 20']).action(
    async (typed: string, path: string | undefined, { worst, limit }: CopiesOptions) => {
      const { client, print } = openSession(cli, command)
      const folder = folderArgument(typed, cli)
      const wanted = {
        ...(path === undefined ? {} : { path }),
        ...(worst === true ? { worst } : {}),
        ...(limit === undefined ? {} : { limit }),
      }
      const list = await client.call('copies', { folder, ...wanted })
      const { members } = await client.call('members', { folder })
      const { peerId } = await client.call('identity', {})
      print({ folder: typed, ...list }, copiesText(list, namesOf(members, peerId)))
    },
  )
}

function namesOf(members: readonly MemberStatus[], self: string): ReadonlyMap<string, string> {
  const named = members.map(({ id, name, absence }): [string, string] => {
    const text = name === '' ? id : name
    return [id, absence === 'here' ? text : `${text} (${absence})`]
  })
  return new Map([...named, [self, 'this node']])
}

function copiesText({ files, total, targetCopies }: CopiesList, names: ReadonlyMap<string, string>): string {
  if (total === 0) return 'There are no files.'
  const rows = files.map(({ path, bytes, copies, verified, zones, holders }) => [
    `${copies} of ${targetCopies}${copies < targetCopies ? ' !' : ''}`,
    `${verified} verified`,
    zones === 1 ? '1 place' : `${zones} places`,
    sizeText(bytes),
    printable(path),
    printable(holders.map((holder) => names.get(holder) ?? holder).join(', ')),
  ])
  const more = total > files.length ? [`  … and ${countText(total - files.length, 'more file')}`] : []
  return [columnsText(rows, '  '), ...more].join('\n')
}

function parseLimit(text: string): number {
  if (!/^[1-9]\d{0,4}$/.test(text)) throw new InvalidArgumentError('give a whole number from 1 to 10000.')
  return Math.min(Number(text), 10_000)
}
