# usage: sh guard.sh DIRECTORY STOP COMMAND [ARGUMENT]...
#
# Runs COMMAND, which works in DIRECTORY, until our standard input closes. It does so when the tests are done with the
# command, and also when they are interrupted or killed, which no destructor survives. Then evaluates STOP, ends the
# command, and removes the directory with all that is mounted in it.
directory=$1 stop=$2
shift 2

"$@" </dev/null &
command=$!

read -r _
eval "$stop"
kill "$command"
wait "$command"

# The deepest mounts first.
awk -v inside="$directory/" 'index($5, inside) == 1 { print $5 }' /proc/self/mountinfo |
    sort -r | xargs -r umount -l
rm -rf "$directory"
