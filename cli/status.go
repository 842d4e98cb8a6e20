package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	nodeapi "thalassa/api/node"
)

func newStatus(env environment) *cobra.Command {
	r := &remote{env: env}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the state of the agent, HAProxy and Consul",
		Long: `Shows the state of the agent, HAProxy and Consul. The exit code is 6 when HAProxy does
not run the requested configuration, or a backend has no member.`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			s, err := c.Status(cmd.Context())
			if err != nil {
				return err
			}
			if err := r.show(s, func(w io.Writer) { statusTable(w, s) }); err != nil {
				return err
			}
			if ready, reasons := s.Ready(); !ready {
				return fmt.Errorf("%w: %s", errNotReady, strings.Join(reasons, "; "))
			}
			return emptyError(s.Empty)
		},
	}
	r.flags(cmd)
	return cmd
}

// emptyError names the backends without members; nil: there are none.
func emptyError(list []nodeapi.EmptyBackend) error {
	if len(list) == 0 {
		return nil
	}
	ids := make([]string, len(list))
	for i, e := range list {
		ids[i] = e.ID
	}
	return fmt.Errorf("%w: %s", errEmpty, strings.Join(ids, ", "))
}

func statusTable(w io.Writer, s nodeapi.Status) {
	label := ""
	if s.Label != "" {
		label = ", " + s.Label
	}
	row(w, "agent", fmt.Sprintf("thalassa %s%s, up %s", s.Version, label, time.Since(s.Started).Round(time.Second)))
	row(w, "haproxy", haproxyLine(s.HAProxy))
	if s.HAProxy.Lost != "" {
		row(w, "lost", s.HAProxy.Lost)
	}
	row(w, "revision", fmt.Sprintf("%d, in effect %d", s.Revision, s.InEffect))
	if _, reasons := s.Ready(); len(reasons) > 0 {
		row(w, "problem", strings.Join(reasons, "; "))
	}
	for _, e := range s.Empty {
		row(w, "empty", e.String())
	}
	if s.TLS != nil {
		row(w, "certificate", fmt.Sprintf("SHA-256 %s, expires %s", s.TLS.Fingerprint, s.TLS.NotAfter.Format(time.DateOnly)))
	}
	for _, c := range s.Canaries {
		row(w, "canary", canaryLine(c))
	}
	if len(s.Discovery) == 0 {
		return
	}
	row(w)
	row(w, "SERVICE", "VERSION", "HEALTHY", "CONSUL")
	for _, d := range s.Discovery {
		state := "confirmed"
		switch {
		case !d.Known:
			state = "not answered yet"
			if d.Stale != "" {
				state = "no answer: " + d.Stale
			}
		case d.Stale != "":
			state = "stale: " + d.Stale
		case d.Hold != nil:
			state = "held: " + d.Hold.String()
		}
		if len(d.Versions) == 0 {
			row(w, d.Service, "-", "0 of 0", state)
		}
		for _, f := range d.Unusable {
			row(w, d.Service, orDash(f.Version), "unusable", f.ID+" on "+f.Node+": "+f.Reason)
		}
		for _, v := range d.Versions {
			row(w, d.Service, v.Version, fmt.Sprintf("%d of %d", v.Healthy, v.Total), state)
		}
	}
}

func haproxyLine(h nodeapi.HAProxyStatus) string {
	switch {
	case h.Idle:
		return "not active on this node (Pacemaker); its configuration is in place"
	case !h.Running:
		return "not running"
	}
	return fmt.Sprintf("%s, master %d, worker %d, %s, %s", h.Version, h.MasterPID, h.WorkerPID, count(h.Reloads, "reload"), count(h.OldWorkers, "old worker"))
}
