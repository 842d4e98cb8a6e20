package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
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
	"thalassa/settings"
	"thalassa/store"
	"thalassa/template"
)

// checkTime bounds each step that asks another program.
const checkTime = 10 * time.Second

// step is one thing that `thalassa check` looks at.
type step struct {
	what string
	run  func(ctx context.Context) (detail string, err error)
	// warn: a failure is shown but does not count, e.g. Consul may be away.
	warn bool
}

func newCheck(env environment) *cobra.Command {
	var s settings.Agent
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check settings, template, HAProxy and Consul without changing anything",
		Long: `Checks the settings, the API's address and tokens, the directories, HAProxy, the template
and Consul, and prints a line for each. It takes the flags of "thalassa agent" and changes
nothing. It asks Consul what the agent asks. The exit code is 1 when a check fails. If Consul
does not answer, that is only a warning. Run as root, it checks token and access files by the
owner of the directory of the database, as whom the agent will run.`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.Load(cmd.Flags(), env.Getenv); err != nil {
				return err
			}
			k := checks{settings: &s, log: s.Logger(env.Stderr)}
			failed := false
			for _, st := range k.steps() {
				failed = st.report(cmd.Context(), env) || failed
			}
			if failed {
				return errReported
			}
			return nil
		},
	}
	s.Flags(cmd.Flags())
	cmd.SetUsageFunc(groupedUsage)
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
	fmt.Fprintf(env.Stdout, "%s  %-10s %s\n", word, st.what, strings.ReplaceAll(detail, "\n", "\n                  "))
	return err != nil && !st.warn
}

// errorText is HAProxy's whole answer where the error carries one.
func errorText(err error) string {
	if refused, ok := errors.AsType[*lb.RefusedError](err); ok {
		return "HAProxy refuses the configuration:\n" + refused.Output
	}
	return err.Error()
}

// checks are what `thalassa check` looks at: the settings, and what they name.
type checks struct {
	settings *settings.Agent
	log      *slog.Logger
}

func (k checks) steps() []step {
	if k.settings.IsConsole() {
		return []step{
			{what: "settings", run: func(context.Context) (string, error) { return k.settings.String(), nil }},
			{what: "api", run: k.checkAPI},
			{what: "tokens", run: k.checkTokens},
			{what: "folders", run: k.checkDirectories},
			k.clusters(),
		}
	}
	p := haproxy.New(k.settings.HAProxy(k.log))
	watch := k.settings.Discovery(lb.Snapshot{}, k.log)
	steps := []step{
		{what: "settings", run: func(context.Context) (string, error) {
			if _, err := discovery.New(watch); err != nil {
				return "", err
			}
			return k.settings.String(), nil
		}},
		{what: "api", run: k.checkAPI},
		{what: "tokens", run: k.checkTokens},
		{what: "folders", run: k.checkDirectories},
		{what: "haproxy", run: p.Version},
		{what: "template", run: func(ctx context.Context) (string, error) { return k.checkTemplate(ctx, p) }},
		{what: "tables", warn: true, run: func(ctx context.Context) (string, error) { return k.checkStickTables(ctx, p) }},
		{what: "natives", warn: true, run: k.checkRawLines},
		{what: "consul", warn: true, run: func(ctx context.Context) (string, error) { return discovery.Ping(ctx, watch) }},
		{what: "queries", run: func(ctx context.Context) (string, error) { return discovery.TryQueries(ctx, watch) }},
	}
	if k.settings.HasClusters() {
		steps = append(steps, k.clusters())
	}
	if names, paths := k.settings.SharedPaths(); len(names) > 0 {
		steps = append(steps, step{what: "paths", warn: true, run: func(context.Context) (string, error) {
			return "", fmt.Errorf("every user of this machine may make files beside %s (%s)", strings.Join(paths, ", "), strings.Join(names, ", "))
		}})
	}
	return steps
}

// clusters is the step that reads the files of the other clusters. It asks none of them.
func (k checks) clusters() step {
	return step{what: "clusters", run: func(context.Context) (string, error) {
		sources, err := k.settings.Clusters()
		for _, s := range sources {
			err = errors.Join(err, s.Verify())
		}
		return count(len(sources), "other cluster"), err
	}}
}

// checkAPI makes sure that the address of the API is free, or that an agent answers
// there.
func (k checks) checkAPI(ctx context.Context) (string, error) {
	address := k.settings.Listen()
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

func (k checks) checkTokens(context.Context) (string, error) {
	var files []string
	as := agentUser(k.settings.Database())
	if file := k.settings.TokenFile(); file != "" {
		if err := auth.VerifyTokens(file, as); err != nil {
			return "", err
		}
		files = append(files, file)
	}
	if file := k.settings.AccessFile(); file != "" {
		if err := auth.VerifyAccess(file, as); err != nil {
			return "", err
		}
		files = append(files, file)
	}
	if file := k.settings.Sharing().KeyFile(); file != "" {
		if err := k.settings.Sharing().VerifyKey(as); err != nil {
			return "", err
		}
		files = append(files, file)
	}
	switch {
	case len(files) > 0:
		return strings.Join(files, ", "), nil
	case k.settings.Loopback():
		return "none; the API is reachable from this machine only", nil
	}
	return "none (insecure-no-auth): everybody who reaches the API may change everything", nil
}

// checkDirectories makes sure that every file and socket can be created where it is
// to be.
func (k checks) checkDirectories(context.Context) (string, error) {
	var problems []error
	for _, d := range k.settings.Directories() {
		path := d.Path
		if d.Created {
			path = existing(path)
		}
		if err := writable(path); err != nil {
			problems = append(problems, fmt.Errorf("%s: %s cannot be written to: %w", d.Setting, path, err))
		}
	}
	return "all can be written to", errors.Join(problems...)
}

// existing is dir, or the nearest directory above it that exists.
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
		return failed.Err // without the name of the probe file
	}
	if err != nil {
		return err
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// checkTemplate renders what the persistence file asks for, or a sample, and has
// HAProxy check it.
func (k checks) checkTemplate(ctx context.Context, p *haproxy.Process) (string, error) {
	config, what, err := k.render(ctx, p)
	if err != nil {
		return "", err
	}
	if err := p.Check(ctx, config); err != nil {
		return "", err
	}
	name := cmp.Or(k.settings.Loop(k.log).TemplateFile, "the embedded one")
	return name + ", accepted by haproxy with " + what, nil
}

// render renders what the persistence file asks for, or a sample, with the template, as the
// agent would.
func (k checks) render(ctx context.Context, p *haproxy.Process) (config []byte, what string, err error) {
	loop := k.settings.Loop(k.log)
	if err := p.LearnKeywords(ctx); err == nil { // else the step of haproxy says so
		loop.HashKeys = p.HashKeys
	}
	tmpl, err := agent.ReadTemplate(loop.TemplateFile)
	if err != nil {
		return nil, "", err
	}
	in, what, err := sampleIntent(loop.Persistence)
	if err != nil {
		return nil, "", err
	}
	rendered, err := tmpl.Render(lb.Resolve(in, lb.Snapshot{}, loop.ProcessFor(tmpl)))
	return rendered.Bytes, what, err
}

// checkStickTables shows what keeps a new worker from getting the stick tables.
func (k checks) checkStickTables(ctx context.Context, p *haproxy.Process) (string, error) {
	config, _, err := k.render(ctx, p)
	if err != nil {
		return "not checked: the template cannot be rendered", nil //nolint:nilerr // the step before has said why
	}
	var problems []error
	for _, w := range template.Warnings(config) {
		problems = append(problems, errors.New(w))
	}
	return "those with peers survive reloads", errors.Join(problems...)
}

// checkRawLines shows the raw lines of the persistence file that an edit could not write
// any more.
func (k checks) checkRawLines(context.Context) (string, error) {
	in, what, err := sampleIntent(k.settings.Loop(k.log).Persistence)
	if err != nil {
		return "", err
	}
	var problems []error
	for _, w := range append(k.settings.RawLines().Warnings(in), lb.FieldOverrides(in)...) {
		problems = append(problems, errors.New(w))
	}
	return what + " has none that would be refused now", errors.Join(problems...)
}

// sampleIntent is what the persistence file asks for; without one a frontend
// and a backend that show the template everything a config can hold.
func sampleIntent(persistence string) (lb.Intent, string, error) {
	if persistence != "" {
		im, found, err := store.ImportPersistence(persistence)
		if len(im.Left) > 0 {
			err = fmt.Errorf("%s: the agent would not import all of it:\n%s", persistence, strings.Join(im.Left, "\n"))
		}
		if err != nil || found {
			return im.Intent, persistence, err
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
