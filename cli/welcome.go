package cli

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"thalassa/activity"
	"thalassa/client"
	"thalassa/internal/wake"
	"thalassa/settings"
)

// baseURL is the address of an API that listens at addr.
func baseURL(addr net.Addr) string {
	return "http://" + strings.Replace(addr.String(), "[::]", "127.0.0.1", 1)
}

// welcome prints what runs and what to try.
func (d demo) welcome(s *settings.Agent, api net.Addr) {
	command := d.env.Program
	if baseURL(api) != client.DefaultAddress {
		command += " --agent " + baseURL(api)
	}
	faulty, loadLine := "", ""
	if d.load > 0 {
		loadLine = fmt.Sprintf("  load      %d requests per second to it, for an hour at most\n", d.load)
		faulty = fmt.Sprintf("  %s deploy live %s --canary 10,50,100 --every 10s   # goes back: version %[2]s answers every fourth request with 500\n", command, demoFaulty)
	}
	fmt.Fprintf(d.env.Stdout, `
The demo is running. Press Ctrl-C to stop it.

  traffic   http://127.0.0.1:%[1]d/   version %[2]s; with the header "Host: staged" version %[3]s
%[8]s  web UI    %[4]s/overview
  API       %[4]s/
  HAProxy   http://%[5]s/   HAProxy's statistics page
  Consul    http://%[6]s/ui/

Try this in another terminal:

  for i in 1 2 3; do curl -s http://127.0.0.1:%[1]d/; done
  %[7]s deploy live %[3]s
%[9]s  %[7]s status

Activity:

`, d.port, demoLive, demoStaged, baseURL(api), s.StatsPage(), d.consulAddress, command, loadLine, faulty)
}

// follow prints activity as it happens until ctx ends.
func (d demo) follow(ctx context.Context, events *activity.Log) error {
	var since uint64
	for {
		list, err := events.Events(ctx, activity.Query{Since: since, Limit: 100})
		if err != nil {
			return wake.UnlessOver(ctx, err)
		}
		for _, e := range list {
			since = e.Seq
			fmt.Fprintln(d.env.Stdout, eventLine(time.TimeOnly, e))
		}
		if err := events.Wait(ctx, since); err != nil {
			return wake.UnlessOver(ctx, err)
		}
	}
}

// eventLine is an event in one line, with its local time in the given form.
func eventLine(timeForm string, e activity.Event) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %-21s  %s", time.UnixMilli(e.Time).Format(timeForm), e.Verb, objectName(e.Object))
	if e.DurationMS > 0 {
		fmt.Fprintf(&b, "  %.0f ms", e.DurationMS)
	}
	switch {
	case e.Cause != "" && e.Author != "":
		fmt.Fprintf(&b, "  (%s by %s)", e.Cause, e.Author)
	case e.Cause != "":
		fmt.Fprintf(&b, "  (%s)", e.Cause)
	}
	if len(e.Diff) > 0 {
		fmt.Fprintf(&b, "  %s", brief(e.Diff))
	}
	if e.Error != "" {
		first, _, _ := strings.Cut(e.Error, "\n")
		fmt.Fprintf(&b, "  %s", first)
	}
	return oneLine(b.String())
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
