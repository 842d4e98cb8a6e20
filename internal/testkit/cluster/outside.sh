# The first process of a fixture: everything of it lives below this one, in a mount,
# network and process-id namespace of its own, and ends with it. Its folder is in
# memory and seen by nobody else.
#
# $1: number of nodes. $2: seconds after which the fixture ends in any case.
set -e
mount -t proc proc /proc
mount -t tmpfs -o mode=755,size=4g fixture /run
mkdir -p /run/fixture /run/share
mkfifo /run/share/fence.requests

# The switch that all cables lead to; this is also the place of Consul and of
# the services.
ip link set lo up
ip link add switch type bridge forward_delay 0
ip addr add 10.99.0.254/24 dev switch
ip addr add fd99::254/64 dev switch nodad
ip link set switch up

# A second switch, for a network that corosync does not use.
ip link add service type bridge forward_delay 0
ip link set service up

cable() { # NAME HOST-PART: a network namespace with eth0 and eth1, on cables to the switches
  ip netns add "$1"
  ip link add "$1" type veth peer name eth0 netns "$1"
  ip link set "$1" master switch
  ip link set "$1" up
  ip -n "$1" link set lo up
  ip -n "$1" link set eth0 up
  ip -n "$1" addr add "10.99.0.$2/24" dev eth0
  ip -n "$1" addr add "fd99::$2/64" dev eth0 nodad
  ip link add "$1s" type veth peer name eth1 netns "$1"
  ip link set "$1s" master service
  ip link set "$1s" up
  ip -n "$1" link set eth1 up
  ip -n "$1" addr add "10.98.0.$2/24" dev eth1
}
cable client 253
i=0
while [ "$i" -lt "$1" ]; do
  i=$((i + 1))
  cable "n$i" "$i"
done

: >/run/fixture/ready
sleep "$2" & # wait also reaps what is left to this process
wait "$!"
