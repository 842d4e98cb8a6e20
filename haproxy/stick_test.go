package haproxy_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thalassa/internal/testkit"
	"thalassa/lb"
	"thalassa/plan"
	"thalassa/statsock"
	"thalassa/template"
)

// Workers that run as another user hand their stick tables over through a directory
// that they may pass and not read.
func TestStickTablesSurviveReloadsOfAnotherUser(t *testing.T) {
	testkit.NeedsRoot(t)
	each(t, func(fx *fixture) {
		fx.keepsStickTables(template.Default(), lb.Process{User: "nobody", Group: "nogroup"})
	})
}

// Distributions confine the workers with such lines in the global section.
func TestStickTablesSurviveReloadsOfConfinedWorkers(t *testing.T) {
	testkit.NeedsRoot(t)
	for name, lines := range map[string]string{
		"chroot": "chroot JAIL\nuser nobody\ngroup nogroup\nulimit-n 4000\nno insecure-fork-wanted\nnbthread 2",
		"quoted": "chroot 'JAIL'\nuid 65534\ngid 65534\nnbthread 1",
		"user":   "user nobody\ngroup nogroup",
		"uid":    "uid 65534\ngid 65534\nset-dumpable",
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(fx *fixture) {
				jail := filepath.Join(fx.dir, "jail")
				if err := os.Mkdir(jail, 0o755); err != nil { //nolint:gosec // as distributions do
					fx.t.Fatal(err)
				}
				source := strings.Replace(template.DefaultSource(), "global\n", "global\n"+strings.ReplaceAll(lines, "JAIL", jail)+"\n", 1)
				tmpl, err := template.Parse("confined", source)
				if err != nil {
					fx.t.Fatal(err)
				}
				fx.keepsStickTables(tmpl, lb.Process{})
			})
		})
	}
}

// keepsStickTables expects that a table keeps its entries over two reloads.
func (fx *fixture) keepsStickTables(tmpl *template.Template, users lb.Process) {
	fx.t.Helper()
	err := errors.Join(os.Chown(fx.dir, 0, testkit.Nobody), os.Chmod(fx.dir, 0o710)) //nolint:gosec // passed, not read
	if err != nil {
		fx.t.Fatal(err)
	}
	live := countingPool(fx.t)
	client := statsock.New(fx.cfg.StatsSocket)
	awaits := func(command string, isThere func(string) bool) {
		fx.t.Helper()
		fx.awaitAnswer(client, command, isThere)
	}
	reload := func(balance string) {
		fx.t.Helper()
		live.Balance = balance
		c := fx.configOf(live)
		c.Process.User, c.Process.Group = users.User, users.Group
		rendered, err := tmpl.Render(plan.Layout(nil, c))
		if err == nil {
			_, err = fx.Apply(fx.t.Context(), rendered.Bytes, rendered.Fingerprint)
		}
		if err != nil {
			fx.t.Fatal(err)
		}
		if w := template.Warnings(rendered.Bytes); len(w) > 0 {
			fx.t.Errorf("warnings: %q", w)
		}
	}
	reload("roundrobin")
	fx.answered()
	for _, balance := range []string{"leastconn", "roundrobin"} {
		awaits("show peers thalassa", finished.MatchString)
		reload(balance)
		awaits("show table live", func(table string) bool { return strings.Contains(table, "http_req_cnt=20\n") })
	}
}

// countingPool is the backend live, which counts its requests in a stick table.
func countingPool(tb testing.TB) lb.ResolvedBackend {
	tb.Helper()
	live := pool("live", well(tb, "a"))
	live.Natives = []lb.RawLine{
		"stick-table type string len 32 size 1k expire 1h store http_req_cnt peers thalassa",
		"http-request track-sc0 str(everybody)",
	}
	return live
}

// awaitAnswer waits until the answer to a command is as expected.
func (fx *fixture) awaitAnswer(client *statsock.Client, command string, isExpected func(string) bool) {
	fx.t.Helper()
	testkit.Eventually(fx.t, patience, func() error {
		answer, err := client.Do(fx.t.Context(), command)
		if err == nil && !isExpected(answer) {
			err = fmt.Errorf("%s says %s", command, answer)
		}
		return err
	})
}

// countsOn expects that the stick table of countingPool counts on over reloads. before is
// called before each of them; it may be nil.
func (fx *fixture) countsOn(before func()) {
	fx.t.Helper()
	live := countingPool(fx.t)
	s := fx.raise(live)
	client := statsock.New(fx.cfg.StatsSocket)
	fx.answered()
	fx.awaitAnswer(client, "show peers thalassa", finished.MatchString)
	for reload, balance := range []string{"leastconn", "random", "roundrobin"} {
		if before != nil {
			before()
		}
		live.Balance = balance
		next, _ := s.next(live)
		s.reload(next)
		fx.awaitAnswer(client, "show table live", func(table string) bool {
			return strings.Contains(table, fmt.Sprintf("http_req_cnt=%d\n", 20*(reload+1)))
		})
		fx.answered()
	}
}
