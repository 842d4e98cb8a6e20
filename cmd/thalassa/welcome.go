package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"thalassa/activity"
	"thalassa/client"
)

// welcome tells the newcomer what runs and what to try.
func (d demo) welcome(s settings, api net.Addr) {
	command := d.env.program
	if url(api) != client.DefaultAddress {
		command += " --agent " + url(api)
	}
	fmt.Fprintf(d.env.stdout, `
Thalassa runs here until Ctrl-C.

  traffic   http://127.0.0.1:%[1]d/   version %[2]s; with the header "Host: staged" version %[3]s
  API       %[4]s/
  HAProxy   http://%[5]s/   its own statistics page
  Consul    http://%[6]s/ui/

Try in another terminal:

  for i in 1 2 3; do curl -s http://127.0.0.1:%[1]d/; done
  %[7]s deploy live %[3]s
  %[7]s status

Activity:

`, d.port, demoLive, demoStaged, url(api), s.haproxyStats, d.consulAddress, command)
}

// follow prints activity as it happens until ctx ends.
func (d demo) follow(ctx context.Context, events *activity.Log) error {
	var since uint64
	for {
		list, err := events.Events(ctx, activity.Query{Since: since, Limit: 100})
		if err != nil {
			return stopped(ctx, err)
		}
		for _, e := range list {
			since = e.Seq
			printEvent(d.env.stdout, e)
		}
		if err := events.Wait(ctx, since); err != nil {
			return stopped(ctx, err)
		}
	}
}

// stopped is err, or nil when the program is ending anyway.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// printEvent prints an event in one line.
func printEvent(w io.Writer, e activity.Event) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %-20s %s", time.UnixMilli(e.Time).Format(time.TimeOnly), e.Verb, objectName(e.Object))
	if e.DurationMS > 0 {
		fmt.Fprintf(&b, "  %.0f ms", e.DurationMS)
	}
	if e.Cause != "" {
		fmt.Fprintf(&b, "  (%s)", e.Cause)
	}
	if len(e.Diff) > 0 {
		fmt.Fprintf(&b, "  %s", brief(e.Diff))
	}
	if e.Error != "" {
		first, _, _ := strings.Cut(e.Error, "\n")
		fmt.Fprintf(&b, "  %s", first)
	}
	fmt.Fprintln(w, b.String())
}

func objectName(o activity.Object) string {
	if o.Key != "" && o.Type == "backendMember" {
		return o.Key
	}
	return o.ID
}

// brief shows the first lines of a difference and how many more there are.
func brief(lines []string) string {
	const most = 2
	if len(lines) <= most {
		return strings.Join(lines, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(lines[:most], "; "), len(lines)-most)
}
