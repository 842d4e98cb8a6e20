package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"thalassa/agent"
	"thalassa/auth"
	"thalassa/client"
	"thalassa/discovery"
	"thalassa/haproxy"
	"thalassa/lb"
	"thalassa/store"
)

// checkTime bounds each step that asks another program.
const checkTime = 10 * time.Second

// step is one thing that `thalassa check` looks at.
type step struct {
	what string
	run  func(ctx context.Context) (detail string, err error)
	// warn: a failure is shown and does not count, e.g. Consul may be away.
	warn bool
}

func newCheck(env environment) *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check settings, template, HAProxy and Consul without changing anything",
		Args:  arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.load(cmd, env); err != nil {
				return err
			}
			n := node{settings: s, log: newLogger(env.stderr, s.logFormat, s.debug), consulToken: env.getenv("CONSUL_HTTP_TOKEN")}
			failed := false
			for _, st := range n.steps() {
				failed = st.report(cmd.Context(), env) || failed
			}
			if failed {
				return errReported
			}
			return nil
		},
	}
	s.flags(cmd.Flags())
	return cmd
}

// report prints the step's result and tells whether it failed.
func (st step) report(ctx context.Context, env environment) (failed bool) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	detail, err := st.run(ctx)
	word := "ok  "
	if err != nil {
		word, detail = "FAIL", errorText(err)
		if st.warn {
			word = "warn"
		}
	}
	fmt.Fprintf(env.stdout, "%s  %-10s %s\n", word, st.what, strings.ReplaceAll(detail, "\n", "\n                  "))
	return err != nil && !st.warn
}

// errorText is HAProxy's whole answer where the error carries one.
func errorText(err error) string {
	if refused, ok := errors.AsType[*lb.RefusedError](err); ok {
		return "haproxy refuses the configuration:\n" + refused.Output
	}
	return err.Error()
}

func (n node) steps() []step {
	s := n.settings
	p := n.haproxy()
	return []step{
		{what: "settings", run: func(context.Context) (string, error) {
			if _, err := discovery.New(n.discovery(lb.Snapshot{})); err != nil {
				return "", err
			}
			return "API on " + s.listen() + ", Consul at " + s.consul() + ", HAProxy " + s.haproxy, nil
		}},
		{what: "api", run: n.checkAPI},
		{what: "tokens", run: n.checkTokens},
		{what: "folders", run: n.checkFolders},
		{what: "haproxy", run: p.Version},
		{what: "template", run: func(ctx context.Context) (string, error) { return n.checkTemplate(ctx, p) }},
		{what: "consul", warn: true, run: func(ctx context.Context) (string, error) {
			return discovery.Ping(ctx, n.discovery(lb.Snapshot{}))
		}},
	}
}

// checkAPI makes sure that the API's address can be had, or is an agent's.
func (n node) checkAPI(ctx context.Context) (string, error) {
	address := n.settings.listen()
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", address)
	switch {
	case err == nil:
		return address + " is free", l.Close()
	case !errors.Is(err, syscall.EADDRINUSE):
		return "", err
	}
	c, err := client.New(client.Config{Address: address})
	if err != nil {
		return "", err
	}
	if _, err := c.Readiness(ctx); err != nil {
		return "", fmt.Errorf("%s is taken by another program", address)
	}
	return "an agent answers on " + address, nil
}

func (n node) checkTokens(context.Context) (string, error) {
	switch {
	case n.settings.tokenFile != "":
		if _, err := auth.Open(n.settings.tokenFile, n.log); err != nil {
			return "", err
		}
		return n.settings.tokenFile, nil
	case n.settings.loopback():
		return "none; only this machine can reach the API", nil
	}
	return "none, by insecure-no-auth: everybody who reaches the API may change everything", nil
}

// checkFolders makes sure that every file and socket can be made where it is to
// be.
func (n node) checkFolders(context.Context) (string, error) {
	s := n.settings
	folders := []struct{ setting, dir string }{
		{"haproxy-cfg-path", filepath.Dir(s.cfgPath)},
		{"haproxy-socket-path", filepath.Dir(s.statsSocket)},
		{"haproxy-master-socket-path", filepath.Dir(s.masterSocket)},
		{"haproxy-peers-socket-path", filepath.Dir(s.peersSocket)},
		{"haproxy-pid-path", filepath.Dir(s.pidPath)},
		{"db-path", existing(s.dbPath)}, // the store makes it
	}
	if s.persistence != "" {
		folders = append(folders, struct{ setting, dir string }{"persistence", filepath.Dir(s.persistence)})
	}
	var problems []error
	for _, f := range folders {
		if err := writable(f.dir); err != nil {
			problems = append(problems, fmt.Errorf("%s: %s cannot be written to: %w", f.setting, f.dir, err))
		}
	}
	return "all can be written to", errors.Join(problems...)
}

// existing is dir, or the nearest folder above it that there is.
func existing(dir string) string {
	for {
		above := filepath.Dir(dir)
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) || above == dir {
			return dir
		}
		dir = above
	}
}

// writable makes a file in dir and removes it again.
func writable(dir string) error {
	probe, err := os.CreateTemp(dir, ".thalassa-check-")
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		return failed.Err // the probe's name is nothing to look for
	}
	if err != nil {
		return err
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// checkTemplate renders what the persistence file asks for, or a sample, and has
// HAProxy check it.
func (n node) checkTemplate(ctx context.Context, p *haproxy.Process) (string, error) {
	s := n.settings
	tmpl, err := agent.ReadTemplate(s.templateFile)
	if err != nil {
		return "", err
	}
	name := cmp.Or(s.templateFile, "the embedded one")
	in, what, err := n.sampleIntent()
	if err != nil {
		return "", err
	}
	rendered, err := tmpl.Render(lb.Resolve(in, lb.Snapshot{}, s.process()))
	if err != nil {
		return "", err
	}
	if err := p.Check(ctx, rendered.Bytes); err != nil {
		return "", err
	}
	return name + ", accepted by haproxy with " + what, nil
}

// sampleIntent is what the persistence file asks for; without one a frontend
// and a backend that show the template everything a config can hold.
func (n node) sampleIntent() (lb.Intent, string, error) {
	if n.settings.persistence != "" {
		in, found, err := store.ReadPersistence(n.settings.persistence)
		if err != nil || found {
			return in, n.settings.persistence, err
		}
	}
	f, err := lb.FrontendSpec{
		Bind: "127.0.0.1:65000", Backend: "sample",
		Rules: []lb.RuleSpec{{Type: "path", Operation: "path_beg", Value: "/", Backend: "sample"}},
	}.Parse("sample")
	if err != nil {
		return lb.Intent{}, "", err
	}
	b, err := lb.BackendSpec{
		Type: "static", Members: []lb.MemberSpec{{Host: "127.0.0.1", Port: 65001}}, Health: &lb.HealthSpec{},
	}.Parse("sample")
	if err != nil {
		return lb.Intent{}, "", err
	}
	in, err := lb.Intent{}.Apply(lb.Edit{Backend: &b})
	if err == nil {
		in, err = in.Apply(lb.Edit{Frontend: &f})
	}
	return in, "a sample", err
}
