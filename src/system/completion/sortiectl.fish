# Completion of sortiectl(8) for fish: /usr/share/fish/vendor_completions.d/sortiectl.fish

function __sortiectl_ids
    sortiectl list 2>/dev/null | sed -n '2,500s/ .*//p;500q'
end

function __sortiectl_sites
    sortiectl sites --json 2>/dev/null | sed -n '500q;s/^{"site":"\([^"]*\)".*/\1/p'
end

set -l acting retry hold release remove bounce
set -l selecting list $acting

complete -c sortiectl -f
complete -c sortiectl -n __fish_use_subcommand -s C -r -F -d configuration
complete -c sortiectl -n __fish_use_subcommand -l version
complete -c sortiectl -l help

complete -c sortiectl -n __fish_use_subcommand -a list -d 'what is queued, a line a message'
complete -c sortiectl -n __fish_use_subcommand -a show -d 'all that is known of a message'
complete -c sortiectl -n __fish_use_subcommand -a cat -d 'the message itself'
complete -c sortiectl -n __fish_use_subcommand -a retry -d 'makes messages due now'
complete -c sortiectl -n __fish_use_subcommand -a hold -d 'keeps messages until they are released'
complete -c sortiectl -n __fish_use_subcommand -a release -d 'ends that, and makes them due'
complete -c sortiectl -n __fish_use_subcommand -a remove -d 'throws messages away; nobody is told'
complete -c sortiectl -n __fish_use_subcommand -a bounce -d 'returns messages to their senders'
complete -c sortiectl -n __fish_use_subcommand -a shape -d 'how long mail has waited for which site'
complete -c sortiectl -n __fish_use_subcommand -a sites -d 'what runs have seen of each destination'
complete -c sortiectl -n __fish_use_subcommand -a stats -d 'what was counted since when, and the queue now'
complete -c sortiectl -n __fish_use_subcommand -a trace -d 'keeps the next conversation with a site'
complete -c sortiectl -n __fish_use_subcommand -a check -d 'what is wrong with the installation'
complete -c sortiectl -n __fish_use_subcommand -a import -d 'what another program was told, or has queued'
complete -c sortiectl -n __fish_use_subcommand -a help -d 'what a command does'

complete -c sortiectl -n "__fish_seen_subcommand_from $selecting show cat" -a '(__sortiectl_ids)'
complete -c sortiectl -n "__fish_seen_subcommand_from $selecting" -l sender -x -d 'from these'
complete -c sortiectl -n "__fish_seen_subcommand_from $selecting" -l recipient -x -d 'to these'
complete -c sortiectl -n "__fish_seen_subcommand_from $selecting" -l site -x -d 'to somebody there'
complete -c sortiectl -n "__fish_seen_subcommand_from $selecting" -l older -x -d 'so old or older'
complete -c sortiectl -n "__fish_seen_subcommand_from $selecting" -l newer -x -d 'not so old'
complete -c sortiectl -n "__fish_seen_subcommand_from $selecting" -l held -d held
complete -c sortiectl -n "__fish_seen_subcommand_from $selecting" -l all -d 'every message'
complete -c sortiectl -n "__fish_seen_subcommand_from $acting" -s n -l dry-run -d 'only list what is meant'
complete -c sortiectl -n '__fish_seen_subcommand_from list shape sites stats check' -l json -d 'an object a line'
complete -c sortiectl -n '__fish_seen_subcommand_from list shape trace check' -l json -d 'an object a line'
complete -c sortiectl -n '__fish_seen_subcommand_from cat' -l raw -d 'as it is sent, with CRLF'
complete -c sortiectl -n '__fish_seen_subcommand_from trace' -l show -d 'what was said'
complete -c sortiectl -n '__fish_seen_subcommand_from trace' -l off -d 'forget it'
complete -c sortiectl -n '__fish_seen_subcommand_from shape' -l sender -d 'from which site'
complete -c sortiectl -n '__fish_seen_subcommand_from sites' -a '(__sortiectl_sites)'
complete -c sortiectl -n '__fish_seen_subcommand_from sites' -l hoststat -d "as sendmail's hoststat shows it"
complete -c sortiectl -n '__fish_seen_subcommand_from sites' -l forget -d 'forget that, and count from 0'
complete -c sortiectl -n '__fish_seen_subcommand_from stats' -l prometheus -d 'as Prometheus reads it'
complete -c sortiectl -n '__fish_seen_subcommand_from stats' -l output -r -F -d 'into a file'
complete -c sortiectl -n '__fish_seen_subcommand_from import' -F -a 'dma nullmailer msmtp ssmtp msmtpq citadel'
complete -c sortiectl -n '__fish_seen_subcommand_from import' -l write -d 'write it, if there is none yet'
complete -c sortiectl -n '__fish_seen_subcommand_from import' -l queue -d 'take its mail over'
complete -c sortiectl -n '__fish_seen_subcommand_from import' -l remove -d '... and remove it there'
complete -c sortiectl -n '__fish_seen_subcommand_from import' -s n -l dry-run -d 'only list what is meant'
complete -c sortiectl -n '__fish_seen_subcommand_from check' -s n -l no-network -d 'ask nobody'
complete -c sortiectl -n '__fish_seen_subcommand_from check' -l program -r -F -d 'this one, and the front beside it'
