#!/bin/sh
# The fence agent of the fixture: asks the test, over two pipes, to switch a node off.
action=$([ "$1" != -o ] || echo "$2")
target=
[ -n "$action" ] || while read -r line; do
  case $line in
    action=*) action=${line#*=} ;;
    nodename=* | port=* | plug=*) target=${line#*=} ;;
  esac
done
case $action in
  metadata)
    cat <<END
<?xml version="1.0"?>
<resource-agent name="fence_fixture" shortdesc="Fencing in the fixture">
  <longdesc>Switches a node of the fixture off.</longdesc>
  <vendor-url>https://example.org</vendor-url>
  <parameters>
    <parameter name="action"><content type="string" default="reboot"/><shortdesc lang="en">Action</shortdesc></parameter>
    <parameter name="port"><content type="string"/><shortdesc lang="en">Node</shortdesc></parameter>
  </parameters>
  <actions>
    <action name="on"/> <action name="off"/> <action name="reboot"/> <action name="status"/>
    <action name="monitor"/> <action name="list"/> <action name="metadata"/>
  </actions>
</resource-agent>
END
    ;;
  monitor | start | stop | list) ;;
  *)
    reply=/run/fixture/fence.$(hostname).$$
    mkfifo "$reply"
    echo "$action $target ${reply##*/}" >/run/fixture/fence.requests
    read -r code <"$reply"
    rm -f "$reply"
    exit "$code"
    ;;
esac
