#!/bin/sh
# Starts and stops corosync and Pacemaker on a node, as service(8) does through init scripts. It
# does not wait for the effect.
#
# $1: corosync or pacemaker. $2: start or stop.
case $1 in
  corosync | pacemaker) ;;
  *)
    echo "$1: unrecognized service" >&2
    exit 1
    ;;
esac
case $2 in
  start) : >"/run/services/$1" ;;
  stop)
    rm -f "/run/services/$1"
    kill -TERM "$(cat "/run/services/$1.pid")" 2>/dev/null
    ;;
  *)
    echo "usage: service $1 start|stop" >&2
    exit 3
    ;;
esac
