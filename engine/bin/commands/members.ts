// `holdfast members` and `holdfast member`: who belongs to a folder, and taking one out of the count that is switched off for good.

import type { Command } from 'commander'
import type { MemberStatus } from '../../api/controls.ts'
import { openSession, withExamples } from '../cli.ts'
import type { Cli } from '../cli.ts'
import { folderArgument } from '../paths.ts'
import { columnsText, printable } from '../text.ts'

export function addMembersCommand(program: Command, cli: Cli): void {
  const command = program
    .command('members')
    .description('list the members of a folder')
    .argument('<folder>', 'a name, a path or the start of an id')
  withExamples(command, ['members Photos', 'members Photos --json']).action(async (typed: string) => {
    const { client, print } = openSession(cli, command)
    const { members } = await client.call('members', { folder: folderArgument(typed, cli) })
    print({ members }, membersText(members))
  })
}

export function addMemberCommand(program: Command, cli: Cli): void {
  const member = program.command('member').description('change a member of a folder')
  const command = member
    .command('retire')
    .description('take a machine out of the count that is switched off for good, or lost: the others make its copies again')
    .argument('<folder>', 'a name, a path or the start of an id')
    .argument('<peer>', 'a name, or the start or end of a peer id')
    .option('--undo', 'it is back, or was another one: it counts again')
  const examples = ['member retire Photos attic', 'member retire Photos attic --undo']
  withExamples(command, examples).action(async (typed: string, peer: string, { undo = false }: { readonly undo?: boolean }) => {
    const { client, print } = openSession(cli, command)
    await client.call('retireMember', { folder: folderArgument(typed, cli), peer, undo })
    if (undo) return print({ returned: peer }, `${printable(peer)} counts as a copy again, of what it says it holds.`)
    print(
      { retired: peer },
      `${printable(peer)} does not count as a copy any more; the others make its copies again. --undo takes it back.`,
    )
  })
}

function connectedText(needs: number, isFull: boolean): string {
  if (isFull) return `connected, no room for ${needs} more`
  return needs === 0 ? 'connected' : `connected, ${needs} to get`
}

function membersText(members: readonly MemberStatus[]): string {
  const rows = members.map((member) => {
    const { name, role, zone, class: nodeClass, id } = member
    return [printable(name), role, nodeClass, printable(zone), stateText(member), id]
  })
  return columnsText(rows, '  ')
}

function stateText({ retired, left, connected, absence, full, needs = 0 }: MemberStatus): string {
  if (retired) return 'retired'
  if (left) return 'left'
  if (connected) return connectedText(needs, full)
  return absence === 'here' ? 'not connected' : absence
}
