# fish completion for userli-bridge; it is asked what it takes.

function __userli_bridge_commands
    userli-bridge --help 2>/dev/null | sed -nE '/^Commands:/,/^$/ s/^  ([a-z-]+) +(.*)/\1\t\2/p'
end

function __userli_bridge_options
    set -l words (commandline -opc)
    test (count $words) -ge 2; or return
    userli-bridge $words[2] --help 2>/dev/null | sed -nE 's/^  (--[a-z-]+) .*/\1/p'
    echo --help
end

function __userli_bridge_is_map
    set -l words (commandline -opc)
    test (count $words) -eq 2; and test $words[2] = query
end

complete -c userli-bridge -f
complete -c userli-bridge -n __fish_use_subcommand -a '(__userli_bridge_commands)'
complete -c userli-bridge -n __fish_use_subcommand -l help -l version
complete -c userli-bridge -n __userli_bridge_is_map -a 'alias domain mailbox senders'
complete -c userli-bridge -n 'not __fish_use_subcommand' -a '(__userli_bridge_options)'
