# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_tempo_global_optspecs
    string join \n db= o/output= color= q/quiet v/verbose h/help V/version
end

function __fish_tempo_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_tempo_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_tempo_using_subcommand
    set -l cmd (__fish_tempo_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c tempo -n "__fish_tempo_needs_command" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_needs_command" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_needs_command" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_needs_command" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_needs_command" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_needs_command" -s V -l version -d 'Print version'
complete -c tempo -n "__fish_tempo_needs_command" -f -a "schedule" -d 'Make, show, change and trigger schedules'
complete -c tempo -n "__fish_tempo_needs_command" -f -a "workflow" -d 'List, show, start and stop runs'
complete -c tempo -n "__fish_tempo_needs_command" -f -a "incident" -d 'List, show and settle incidents'
complete -c tempo -n "__fish_tempo_needs_command" -f -a "run" -d 'Serve: take up what is due, run it, record it'
complete -c tempo -n "__fish_tempo_needs_command" -f -a "status" -d 'Show how things stand: the server, what runs, what comes next, open incidents'
complete -c tempo -n "__fish_tempo_needs_command" -f -a "check" -d 'Run probes and steps here and now, and exit with 1 when anything failed'
complete -c tempo -n "__fish_tempo_needs_command" -f -a "step" -d 'Do a step of a script once, whatever happens to the script'
complete -c tempo -n "__fish_tempo_needs_command" -f -a "sleep" -d 'Wait in a script, over crashes and restarts'
complete -c tempo -n "__fish_tempo_needs_command" -f -a "apply" -d 'Make the schedules that files define'
complete -c tempo -n "__fish_tempo_needs_command" -f -a "diff" -d 'Show what `tempo apply` would change, and exit with 1 if anything'
complete -c tempo -n "__fish_tempo_needs_command" -f -a "export" -d 'Print schedules as a definitions file'
complete -c tempo -n "__fish_tempo_needs_command" -f -a "import" -d 'Bring schedules from elsewhere'
complete -c tempo -n "__fish_tempo_needs_command" -f -a "schema" -d 'Print the JSON Schema of a definitions file'
complete -c tempo -n "__fish_tempo_needs_command" -f -a "demo" -d 'See it work: schedules, retries, incidents, a kill in mid-step, and the resume'
complete -c tempo -n "__fish_tempo_needs_command" -f -a "doctor" -d 'Check the database, and back it up'
complete -c tempo -n "__fish_tempo_needs_command" -f -a "completions" -d 'Print the completions of a shell'
complete -c tempo -n "__fish_tempo_needs_command" -f -a "man" -d 'Print the manual page, or write the pages of all commands to a folder'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and not __fish_seen_subcommand_from create update list describe pause unpause trigger backfill delete next explain simulate" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and not __fish_seen_subcommand_from create update list describe pause unpause trigger backfill delete next explain simulate" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and not __fish_seen_subcommand_from create update list describe pause unpause trigger backfill delete next explain simulate" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and not __fish_seen_subcommand_from create update list describe pause unpause trigger backfill delete next explain simulate" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and not __fish_seen_subcommand_from create update list describe pause unpause trigger backfill delete next explain simulate" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and not __fish_seen_subcommand_from create update list describe pause unpause trigger backfill delete next explain simulate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and not __fish_seen_subcommand_from create update list describe pause unpause trigger backfill delete next explain simulate" -f -a "create" -d 'Make a schedule'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and not __fish_seen_subcommand_from create update list describe pause unpause trigger backfill delete next explain simulate" -f -a "update" -d 'Change what is named of a schedule'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and not __fish_seen_subcommand_from create update list describe pause unpause trigger backfill delete next explain simulate" -f -a "list" -d 'List the schedules'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and not __fish_seen_subcommand_from create update list describe pause unpause trigger backfill delete next explain simulate" -f -a "describe" -d 'Show all of a schedule'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and not __fish_seen_subcommand_from create update list describe pause unpause trigger backfill delete next explain simulate" -f -a "pause" -d 'Stop schedules from starting runs'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and not __fish_seen_subcommand_from create update list describe pause unpause trigger backfill delete next explain simulate" -f -a "unpause" -d 'Let schedules start runs again'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and not __fish_seen_subcommand_from create update list describe pause unpause trigger backfill delete next explain simulate" -f -a "trigger" -d 'Start a run of a schedule now'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and not __fish_seen_subcommand_from create update list describe pause unpause trigger backfill delete next explain simulate" -f -a "backfill" -d 'Run the times of a past range'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and not __fish_seen_subcommand_from create update list describe pause unpause trigger backfill delete next explain simulate" -f -a "delete" -d 'Delete schedules'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and not __fish_seen_subcommand_from create update list describe pause unpause trigger backfill delete next explain simulate" -f -a "next" -d 'Show when a schedule fires next'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and not __fish_seen_subcommand_from create update list describe pause unpause trigger backfill delete next explain simulate" -f -a "explain" -d 'Show what became of each time of a schedule, and why'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and not __fish_seen_subcommand_from create update list describe pause unpause trigger backfill delete next explain simulate" -f -a "simulate" -d 'Show what a schedule would do, without doing it'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l interval -l every -d 'Every so long, with an offset: `2m`, `1h/15m`' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l cron -d 'A cron string: 5 fields, 6 with the year last, 7 with seconds first, or `@daily` and the like' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l calendar -d 'A calendar: `{"hour":"9","minute":"0","dayOfWeek":"Mon-Fri"}`' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l quartz -d 'A Quartz expression: seconds first, Sunday is 1' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l exclude-calendar -l exclude -d 'What never fires: a date, or a calendar in which times left out mean any' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l time-zone -l tz -d 'The zone of the wall clock; `local` is this machine\'s; UTC when not given' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l start-time -d 'Nothing fires before: `2026-05-05T09:00:00Z`, `2026-05-05 09:00`, `now`, `+2h`' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l end-time -d 'Nothing fires after' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l jitter -d 'Start up to so much later, always the same for a time' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l dst-gap -d 'A time that daylight saving skips: `skip` it, or `shift` it to right after the gap' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l dst-repeat -d 'A time that daylight saving repeats: `both`, `first` or `last`' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l probe -d 'A request and what it should come to: `NAME=URL [status=200] [timeout=5s] [method=GET]`; repeats, in order' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l shell -d 'A line for `/bin/sh -c`' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l steps -d 'A file of `[[step]]` tables, or the same as JSON; `-` is stdin' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l start-to-close-timeout -d 'How long one attempt may take' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l schedule-to-close-timeout -d 'How long all attempts may take, waits included' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l retry-maximum-attempts -l attempts -d 'How many attempts there are; 0 is no limit' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l retry-initial-interval -d 'The wait after the first attempt' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l retry-backoff-coefficient -d 'How much longer each wait is than the one before' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l retry-maximum-interval -d 'The longest wait' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l non-retryable -d 'An error type that is not retried; repeats' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l cwd -d 'The folder commands run in' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l env -d 'A variable of commands; `NAME=env:OTHER` is read when the step runs; repeats' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l run-timeout -d 'How long a run may take' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l workflow-id -d 'The base of the workflow ids of its runs; the schedule\'s id when not given' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l overlap-policy -l overlap -d 'While a run is going: skip, buffer-one, buffer-all, cancel-other, terminate-other or allow-all' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l catchup-window -l catchup -d 'How late a time may still be taken up after an outage; at least 10s, 10m when not given' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l pause-on-failure -d 'Pause when a run fails' -r -f -a "true\t''
false\t''"
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l note -d 'What people should know of it' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l paused -d 'Start nothing until it is unpaused' -r -f -a "true\t''
false\t''"
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l remaining-actions -d 'How many scheduled starts are left: a number, or `unlimited`' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l at-boot -d 'Once after each boot of the machine, when `tempo run` is up'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l if-not-exists -d 'Leave a schedule of this name as it is, and succeed'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -l allow-never -d 'Make it even if it can never fire'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l interval -l every -d 'Every so long, with an offset: `2m`, `1h/15m`' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l cron -d 'A cron string: 5 fields, 6 with the year last, 7 with seconds first, or `@daily` and the like' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l calendar -d 'A calendar: `{"hour":"9","minute":"0","dayOfWeek":"Mon-Fri"}`' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l quartz -d 'A Quartz expression: seconds first, Sunday is 1' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l exclude-calendar -l exclude -d 'What never fires: a date, or a calendar in which times left out mean any' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l time-zone -l tz -d 'The zone of the wall clock; `local` is this machine\'s; UTC when not given' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l start-time -d 'Nothing fires before: `2026-05-05T09:00:00Z`, `2026-05-05 09:00`, `now`, `+2h`' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l end-time -d 'Nothing fires after' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l jitter -d 'Start up to so much later, always the same for a time' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l dst-gap -d 'A time that daylight saving skips: `skip` it, or `shift` it to right after the gap' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l dst-repeat -d 'A time that daylight saving repeats: `both`, `first` or `last`' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l probe -d 'A request and what it should come to: `NAME=URL [status=200] [timeout=5s] [method=GET]`; repeats, in order' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l shell -d 'A line for `/bin/sh -c`' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l steps -d 'A file of `[[step]]` tables, or the same as JSON; `-` is stdin' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l start-to-close-timeout -d 'How long one attempt may take' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l schedule-to-close-timeout -d 'How long all attempts may take, waits included' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l retry-maximum-attempts -l attempts -d 'How many attempts there are; 0 is no limit' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l retry-initial-interval -d 'The wait after the first attempt' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l retry-backoff-coefficient -d 'How much longer each wait is than the one before' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l retry-maximum-interval -d 'The longest wait' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l non-retryable -d 'An error type that is not retried; repeats' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l cwd -d 'The folder commands run in' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l env -d 'A variable of commands; `NAME=env:OTHER` is read when the step runs; repeats' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l run-timeout -d 'How long a run may take' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l workflow-id -d 'The base of the workflow ids of its runs; the schedule\'s id when not given' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l overlap-policy -l overlap -d 'While a run is going: skip, buffer-one, buffer-all, cancel-other, terminate-other or allow-all' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l catchup-window -l catchup -d 'How late a time may still be taken up after an outage; at least 10s, 10m when not given' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l pause-on-failure -d 'Pause when a run fails' -r -f -a "true\t''
false\t''"
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l note -d 'What people should know of it' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l paused -d 'Start nothing until it is unpaused' -r -f -a "true\t''
false\t''"
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l remaining-actions -d 'How many scheduled starts are left: a number, or `unlimited`' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l clear -d 'Empty a field first: interval, cron, calendar, jitter, note …; repeats' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l at-boot -d 'Once after each boot of the machine, when `tempo run` is up'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -l allow-never -d 'Change it even if it can never fire then'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from update" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from list" -l limit -d 'At most so many, in the order of their ids' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from list" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from list" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from list" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from list" -l paused -d 'Only those that are paused'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from list" -l active -d 'Only those that are not paused'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from describe" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from describe" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from describe" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from describe" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from describe" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from describe" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from pause" -l note -d 'Why; replaces the note that is there' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from pause" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from pause" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from pause" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from pause" -l all -d 'All of them'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from pause" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from pause" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from pause" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from unpause" -l note -d 'Why; replaces the note that is there' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from unpause" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from unpause" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from unpause" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from unpause" -l all -d 'All of them'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from unpause" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from unpause" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from unpause" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from trigger" -l overlap-policy -l overlap -d 'Decide by this policy instead of the schedule\'s own' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from trigger" -l timeout -d 'Wait at most so long' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from trigger" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from trigger" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from trigger" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from trigger" -l wait -d 'Wait until the run has closed; exit 0 when it completed without an incident'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from trigger" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from trigger" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from trigger" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from backfill" -l start-time -d 'The first time: `2026-05-05T09:00:00Z`, `2026-05-05 09:00` in the schedule\'s zone, `-2h`' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from backfill" -l end-time -d 'The last time; now when not given' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from backfill" -l last -d 'The range up to now' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from backfill" -l overlap-policy -l overlap -d 'Decide by this policy instead of the schedule\'s own' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from backfill" -l timeout -d 'Wait at most so long' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from backfill" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from backfill" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from backfill" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from backfill" -l wait -d 'Wait until every run has closed; exit 0 when all completed without an incident'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from backfill" -l cancel -d 'End the backfills of the schedule: what has not begun will not'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from backfill" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from backfill" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from backfill" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from delete" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from delete" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from delete" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from delete" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from delete" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from next" -l interval -l every -d 'Every so long, with an offset: `2m`, `1h/15m`' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from next" -l cron -d 'A cron string: 5 fields, 6 with the year last, 7 with seconds first, or `@daily` and the like' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from next" -l calendar -d 'A calendar: `{"hour":"9","minute":"0","dayOfWeek":"Mon-Fri"}`' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from next" -l quartz -d 'A Quartz expression: seconds first, Sunday is 1' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from next" -l exclude-calendar -l exclude -d 'What never fires: a date, or a calendar in which times left out mean any' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from next" -l time-zone -l tz -d 'The zone of the wall clock; `local` is this machine\'s; UTC when not given' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from next" -l start-time -d 'Nothing fires before: `2026-05-05T09:00:00Z`, `2026-05-05 09:00`, `now`, `+2h`' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from next" -l end-time -d 'Nothing fires after' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from next" -l jitter -d 'Start up to so much later, always the same for a time' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from next" -l dst-gap -d 'A time that daylight saving skips: `skip` it, or `shift` it to right after the gap' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from next" -l dst-repeat -d 'A time that daylight saving repeats: `both`, `first` or `last`' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from next" -l count -d 'How many times' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from next" -l from -d 'Times after this; now when not given' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from next" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from next" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from next" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from next" -l at-boot -d 'Once after each boot of the machine, when `tempo run` is up'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from next" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from next" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from next" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from explain" -l from -d 'Times from here; 24 hours before `--to` when not given' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from explain" -l to -d 'Times up to here; now when not given' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from explain" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from explain" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from explain" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from explain" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from explain" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from simulate" -l interval -l every -d 'Every so long, with an offset: `2m`, `1h/15m`' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from simulate" -l cron -d 'A cron string: 5 fields, 6 with the year last, 7 with seconds first, or `@daily` and the like' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from simulate" -l calendar -d 'A calendar: `{"hour":"9","minute":"0","dayOfWeek":"Mon-Fri"}`' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from simulate" -l quartz -d 'A Quartz expression: seconds first, Sunday is 1' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from simulate" -l exclude-calendar -l exclude -d 'What never fires: a date, or a calendar in which times left out mean any' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from simulate" -l time-zone -l tz -d 'The zone of the wall clock; `local` is this machine\'s; UTC when not given' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from simulate" -l start-time -d 'Nothing fires before: `2026-05-05T09:00:00Z`, `2026-05-05 09:00`, `now`, `+2h`' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from simulate" -l end-time -d 'Nothing fires after' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from simulate" -l jitter -d 'Start up to so much later, always the same for a time' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from simulate" -l dst-gap -d 'A time that daylight saving skips: `skip` it, or `shift` it to right after the gap' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from simulate" -l dst-repeat -d 'A time that daylight saving repeats: `both`, `first` or `last`' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from simulate" -l overlap-policy -l overlap -d 'While a run is going: skip, buffer-one, buffer-all, cancel-other, terminate-other or allow-all' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from simulate" -l catchup-window -l catchup -d 'How late a time may still be taken up after an outage; at least 10s, 10m when not given' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from simulate" -l pause-on-failure -d 'Pause when a run fails' -r -f -a "true\t''
false\t''"
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from simulate" -l note -d 'What people should know of it' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from simulate" -l paused -d 'Start nothing until it is unpaused' -r -f -a "true\t''
false\t''"
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from simulate" -l remaining-actions -d 'How many scheduled starts are left: a number, or `unlimited`' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from simulate" -l takes -d 'How long each run takes' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from simulate" -l from -d 'From here; now when not given' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from simulate" -l for -d 'For so long' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from simulate" -l down -d '`tempo run` is down, and a run that is cut off begins anew when it is back: `2026-05-05T09:10:00Z..2026-05-05T09:40:00Z`, `+10m..+40m` counted from `--from`; repeats' -r
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from simulate" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from simulate" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from simulate" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from simulate" -l at-boot -d 'Once after each boot of the machine, when `tempo run` is up'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from simulate" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from simulate" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand schedule; and __fish_seen_subcommand_from simulate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and not __fish_seen_subcommand_from list start describe result output cancel terminate retry" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and not __fish_seen_subcommand_from list start describe result output cancel terminate retry" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and not __fish_seen_subcommand_from list start describe result output cancel terminate retry" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and not __fish_seen_subcommand_from list start describe result output cancel terminate retry" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and not __fish_seen_subcommand_from list start describe result output cancel terminate retry" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and not __fish_seen_subcommand_from list start describe result output cancel terminate retry" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and not __fish_seen_subcommand_from list start describe result output cancel terminate retry" -f -a "list" -d 'List runs, newest first'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and not __fish_seen_subcommand_from list start describe result output cancel terminate retry" -f -a "start" -d 'Start one durable run without a schedule'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and not __fish_seen_subcommand_from list start describe result output cancel terminate retry" -f -a "describe" -d 'Show a run: its steps, attempts, errors and output'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and not __fish_seen_subcommand_from list start describe result output cancel terminate retry" -f -a "result" -d 'Show what the steps of a run came to'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and not __fish_seen_subcommand_from list start describe result output cancel terminate retry" -f -a "output" -d 'Show what the commands of a run wrote'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and not __fish_seen_subcommand_from list start describe result output cancel terminate retry" -f -a "cancel" -d 'Ask runs to stop'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and not __fish_seen_subcommand_from list start describe result output cancel terminate retry" -f -a "terminate" -d 'Kill runs'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and not __fish_seen_subcommand_from list start describe result output cancel terminate retry" -f -a "retry" -d 'Have a failed run go on at the step that failed'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from list" -l schedule -d 'Only those of a schedule' -r
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from list" -l status -d 'Only those in this status: Running, Completed, Failed, Canceled, Terminated or `TimedOut`' -r
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from list" -l since -d 'Only those that started since' -r
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from list" -l limit -d 'At most so many; 0 is all' -r
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from list" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from list" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from list" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from start" -l probe -d 'A request and what it should come to: `NAME=URL [status=200] [timeout=5s] [method=GET]`; repeats, in order' -r
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from start" -l shell -d 'A line for `/bin/sh -c`' -r
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from start" -l steps -d 'A file of `[[step]]` tables, or the same as JSON; `-` is stdin' -r
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from start" -l start-to-close-timeout -d 'How long one attempt may take' -r
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from start" -l schedule-to-close-timeout -d 'How long all attempts may take, waits included' -r
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from start" -l retry-maximum-attempts -l attempts -d 'How many attempts there are; 0 is no limit' -r
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from start" -l retry-initial-interval -d 'The wait after the first attempt' -r
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from start" -l retry-backoff-coefficient -d 'How much longer each wait is than the one before' -r
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from start" -l retry-maximum-interval -d 'The longest wait' -r
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from start" -l non-retryable -d 'An error type that is not retried; repeats' -r
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from start" -l cwd -d 'The folder commands run in' -r
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from start" -l env -d 'A variable of commands; `NAME=env:OTHER` is read when the step runs; repeats' -r
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from start" -l run-timeout -d 'How long a run may take' -r
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from start" -l workflow-id -d 'The base of the workflow ids of its runs; the schedule\'s id when not given' -r
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from start" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from start" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from start" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from start" -l wait -d 'Wait until it has closed; exit 0 when it completed without an incident'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from start" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from start" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from start" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from describe" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from describe" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from describe" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from describe" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from describe" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from describe" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from result" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from result" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from result" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from result" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from result" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from result" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from output" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from output" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from output" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from output" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from output" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from output" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from cancel" -l reason -d 'Why, for whoever looks later' -r
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from cancel" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from cancel" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from cancel" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from cancel" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from cancel" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from cancel" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from terminate" -l reason -d 'Why, for whoever looks later' -r
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from terminate" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from terminate" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from terminate" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from terminate" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from terminate" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from terminate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from retry" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from retry" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from retry" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from retry" -l wait -d 'Wait until it has closed; exit 0 when it completed without an incident'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from retry" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from retry" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand workflow; and __fish_seen_subcommand_from retry" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand incident; and not __fish_seen_subcommand_from list describe ack resolve" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand incident; and not __fish_seen_subcommand_from list describe ack resolve" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand incident; and not __fish_seen_subcommand_from list describe ack resolve" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand incident; and not __fish_seen_subcommand_from list describe ack resolve" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand incident; and not __fish_seen_subcommand_from list describe ack resolve" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand incident; and not __fish_seen_subcommand_from list describe ack resolve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand incident; and not __fish_seen_subcommand_from list describe ack resolve" -f -a "list" -d 'List incidents, newest first'
complete -c tempo -n "__fish_tempo_using_subcommand incident; and not __fish_seen_subcommand_from list describe ack resolve" -f -a "describe" -d 'Show an incident with each of its failures'
complete -c tempo -n "__fish_tempo_using_subcommand incident; and not __fish_seen_subcommand_from list describe ack resolve" -f -a "ack" -d 'Note that you have seen an incident'
complete -c tempo -n "__fish_tempo_using_subcommand incident; and not __fish_seen_subcommand_from list describe ack resolve" -f -a "resolve" -d 'Declare an incident over'
complete -c tempo -n "__fish_tempo_using_subcommand incident; and __fish_seen_subcommand_from list" -l target -d 'Only those of this target: the name of a step' -r
complete -c tempo -n "__fish_tempo_using_subcommand incident; and __fish_seen_subcommand_from list" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand incident; and __fish_seen_subcommand_from list" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand incident; and __fish_seen_subcommand_from list" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand incident; and __fish_seen_subcommand_from list" -l open -d 'Only those that are not resolved; the default'
complete -c tempo -n "__fish_tempo_using_subcommand incident; and __fish_seen_subcommand_from list" -l all -d 'Resolved ones too'
complete -c tempo -n "__fish_tempo_using_subcommand incident; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand incident; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand incident; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand incident; and __fish_seen_subcommand_from describe" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand incident; and __fish_seen_subcommand_from describe" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand incident; and __fish_seen_subcommand_from describe" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand incident; and __fish_seen_subcommand_from describe" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand incident; and __fish_seen_subcommand_from describe" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand incident; and __fish_seen_subcommand_from describe" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand incident; and __fish_seen_subcommand_from ack" -l note -d 'What you say of it; replaces what was said before' -r
complete -c tempo -n "__fish_tempo_using_subcommand incident; and __fish_seen_subcommand_from ack" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand incident; and __fish_seen_subcommand_from ack" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand incident; and __fish_seen_subcommand_from ack" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand incident; and __fish_seen_subcommand_from ack" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand incident; and __fish_seen_subcommand_from ack" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand incident; and __fish_seen_subcommand_from ack" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand incident; and __fish_seen_subcommand_from resolve" -l note -d 'What you say of it; replaces what was said before' -r
complete -c tempo -n "__fish_tempo_using_subcommand incident; and __fish_seen_subcommand_from resolve" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand incident; and __fish_seen_subcommand_from resolve" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand incident; and __fish_seen_subcommand_from resolve" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand incident; and __fish_seen_subcommand_from resolve" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand incident; and __fish_seen_subcommand_from resolve" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand incident; and __fish_seen_subcommand_from resolve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand run" -l workers -d 'How many runs are performed at once' -r
complete -c tempo -n "__fish_tempo_using_subcommand run" -l drain-timeout -d 'How long running steps may take to end when it is told to stop' -r
complete -c tempo -n "__fish_tempo_using_subcommand run" -l log-format -d 'How the log is written' -r -f -a "text\t'A line for people'
json\t'A JSON object a line'"
complete -c tempo -n "__fish_tempo_using_subcommand run" -l keep-for -d 'How long runs, their output and the reasons of times that did not run are kept' -r
complete -c tempo -n "__fish_tempo_using_subcommand run" -l keep-runs -d 'How many runs, and how many failures, of each schedule are kept however old they are' -r
complete -c tempo -n "__fish_tempo_using_subcommand run" -l for -d 'Serve so long, drain, and exit' -r
complete -c tempo -n "__fish_tempo_using_subcommand run" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand run" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand run" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand run" -l once -d 'Take up what is due, finish it, and exit; with 1 when a run failed or recorded an incident'
complete -c tempo -n "__fish_tempo_using_subcommand run" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand run" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand status" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand status" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand status" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand status" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand status" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand check" -s f -l file -d 'The steps of all schedules in files of `[[schedule]]` tables, or those of a file of `[[step]]` tables; `-` is stdin' -r
complete -c tempo -n "__fish_tempo_using_subcommand check" -l probe -d 'A request and what it should come to: `NAME=URL [status=200] [timeout=5s] [method=GET]`; repeats, in order' -r
complete -c tempo -n "__fish_tempo_using_subcommand check" -l shell -d 'A line for `/bin/sh -c`' -r
complete -c tempo -n "__fish_tempo_using_subcommand check" -l steps -d 'A file of `[[step]]` tables, or the same as JSON; `-` is stdin' -r
complete -c tempo -n "__fish_tempo_using_subcommand check" -l start-to-close-timeout -d 'How long one attempt may take' -r
complete -c tempo -n "__fish_tempo_using_subcommand check" -l schedule-to-close-timeout -d 'How long all attempts may take, waits included' -r
complete -c tempo -n "__fish_tempo_using_subcommand check" -l retry-maximum-attempts -l attempts -d 'How many attempts there are; 0 is no limit' -r
complete -c tempo -n "__fish_tempo_using_subcommand check" -l retry-initial-interval -d 'The wait after the first attempt' -r
complete -c tempo -n "__fish_tempo_using_subcommand check" -l retry-backoff-coefficient -d 'How much longer each wait is than the one before' -r
complete -c tempo -n "__fish_tempo_using_subcommand check" -l retry-maximum-interval -d 'The longest wait' -r
complete -c tempo -n "__fish_tempo_using_subcommand check" -l non-retryable -d 'An error type that is not retried; repeats' -r
complete -c tempo -n "__fish_tempo_using_subcommand check" -l cwd -d 'The folder commands run in' -r
complete -c tempo -n "__fish_tempo_using_subcommand check" -l env -d 'A variable of commands; `NAME=env:OTHER` is read when the step runs; repeats' -r
complete -c tempo -n "__fish_tempo_using_subcommand check" -l run-timeout -d 'How long a run may take' -r
complete -c tempo -n "__fish_tempo_using_subcommand check" -l workflow-id -d 'The base of the workflow ids of its runs; the schedule\'s id when not given' -r
complete -c tempo -n "__fish_tempo_using_subcommand check" -l deadline -d 'Give up when it is not done after so long: exit 124' -r
complete -c tempo -n "__fish_tempo_using_subcommand check" -l parallel -d 'How many steps run side by side; one after the other when not given, and none after a command that failed' -r
complete -c tempo -n "__fish_tempo_using_subcommand check" -l junit -d 'Write what came out as `JUnit` XML, for CI' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand check" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand check" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand check" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand check" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand check" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand step" -l start-to-close-timeout -d 'How long one attempt may take' -r
complete -c tempo -n "__fish_tempo_using_subcommand step" -l schedule-to-close-timeout -d 'How long all attempts may take, waits included' -r
complete -c tempo -n "__fish_tempo_using_subcommand step" -l retry-maximum-attempts -l attempts -d 'How many attempts there are; 0 is no limit' -r
complete -c tempo -n "__fish_tempo_using_subcommand step" -l retry-initial-interval -d 'The wait after the first attempt' -r
complete -c tempo -n "__fish_tempo_using_subcommand step" -l retry-backoff-coefficient -d 'How much longer each wait is than the one before' -r
complete -c tempo -n "__fish_tempo_using_subcommand step" -l retry-maximum-interval -d 'The longest wait' -r
complete -c tempo -n "__fish_tempo_using_subcommand step" -l non-retryable -d 'An error type that is not retried; repeats' -r
complete -c tempo -n "__fish_tempo_using_subcommand step" -l cwd -d 'The folder commands run in' -r
complete -c tempo -n "__fish_tempo_using_subcommand step" -l env -d 'A variable of commands; `NAME=env:OTHER` is read when the step runs; repeats' -r
complete -c tempo -n "__fish_tempo_using_subcommand step" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand step" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand step" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand step" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand step" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand step" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand sleep" -l name -d 'What the wait is called; unique in the script' -r
complete -c tempo -n "__fish_tempo_using_subcommand sleep" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand sleep" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand sleep" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand sleep" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand sleep" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand sleep" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand apply" -s f -l file -d 'Files of `[[schedule]]` tables in TOML, or the same as JSON; folders of them; `-` is stdin' -r
complete -c tempo -n "__fish_tempo_using_subcommand apply" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand apply" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand apply" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand apply" -l prune -d 'Delete schedules that an earlier apply of the same files made and that they no longer hold; no others'
complete -c tempo -n "__fish_tempo_using_subcommand apply" -l dry-run -d 'Show what would change, and change nothing'
complete -c tempo -n "__fish_tempo_using_subcommand apply" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand apply" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand apply" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand diff" -s f -l file -d 'Files of `[[schedule]]` tables in TOML, or the same as JSON; folders of them; `-` is stdin' -r
complete -c tempo -n "__fish_tempo_using_subcommand diff" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand diff" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand diff" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand diff" -l prune -d 'Delete schedules that an earlier apply of the same files made and that they no longer hold; no others'
complete -c tempo -n "__fish_tempo_using_subcommand diff" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand diff" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand export" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand export" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand export" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand export" -l crontab -d 'As a crontab, as far as one can say it; what it cannot say is told'
complete -c tempo -n "__fish_tempo_using_subcommand export" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand export" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand import; and not __fish_seen_subcommand_from crontab" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand import; and not __fish_seen_subcommand_from crontab" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand import; and not __fish_seen_subcommand_from crontab" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand import; and not __fish_seen_subcommand_from crontab" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand import; and not __fish_seen_subcommand_from crontab" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand import; and not __fish_seen_subcommand_from crontab" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand import; and not __fish_seen_subcommand_from crontab" -f -a "crontab" -d 'Make schedules from crontabs'
complete -c tempo -n "__fish_tempo_using_subcommand import; and __fish_seen_subcommand_from crontab" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand import; and __fish_seen_subcommand_from crontab" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand import; and __fish_seen_subcommand_from crontab" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand import; and __fish_seen_subcommand_from crontab" -l system -d 'There is a column for the user, as in `/etc/crontab` and `/etc/cron.d`'
complete -c tempo -n "__fish_tempo_using_subcommand import; and __fish_seen_subcommand_from crontab" -l dry-run -d 'Show what each line would become, and change nothing'
complete -c tempo -n "__fish_tempo_using_subcommand import; and __fish_seen_subcommand_from crontab" -l keep-going -d 'Import the lines that can be read, and exit with 2 where there were others'
complete -c tempo -n "__fish_tempo_using_subcommand import; and __fish_seen_subcommand_from crontab" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand import; and __fish_seen_subcommand_from crontab" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand import; and __fish_seen_subcommand_from crontab" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand schema" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand schema" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand schema" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand schema" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand schema" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand demo" -l port -d 'The port of the targets with `--targets-only`; 0 is any that is free' -r
complete -c tempo -n "__fish_tempo_using_subcommand demo" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand demo" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand demo" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand demo" -l targets-only -d 'Serve just the targets, until interrupted, to point schedules of your own at'
complete -c tempo -n "__fish_tempo_using_subcommand demo" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand demo" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand demo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand doctor" -l backup -d 'Write a copy of the database to this file, which must not be there yet' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand doctor" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand doctor" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand doctor" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand doctor" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand doctor" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand completions" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand completions" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand completions" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand completions" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand completions" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c tempo -n "__fish_tempo_using_subcommand man" -l db -d 'The database; `TEMPO_DB`, or a file in the state folder of the user, when not given' -r -F
complete -c tempo -n "__fish_tempo_using_subcommand man" -s o -l output -d 'How data is written to stdout' -r -f -a "text\t'For people'
json\t'One JSON document'
jsonl\t'One JSON document a line'"
complete -c tempo -n "__fish_tempo_using_subcommand man" -l color -d 'When colours are used' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Always'
never\t'Never'"
complete -c tempo -n "__fish_tempo_using_subcommand man" -s q -l quiet -d 'Say nothing but errors'
complete -c tempo -n "__fish_tempo_using_subcommand man" -s v -l verbose -d 'Say more'
complete -c tempo -n "__fish_tempo_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
