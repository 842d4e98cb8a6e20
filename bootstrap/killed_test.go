package bootstrap_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"thalassa/bootstrap"
	"thalassa/internal/testkit"
)

const killedEnv = "THALASSA_BOOTSTRAP_KILLED"

// killedHere is what a process does that kills itself before a step.
type killedHere struct {
	Dir, Step, Do, Code string
	Machine             int
	Told                string // file for the code
}

// TestKilledHere is a process of the other tests, which kills itself before a step.
func TestKilledHere(t *testing.T) {
	var here killedHere
	if json.Unmarshal([]byte(os.Getenv(killedEnv)), &here) != nil {
		t.Skip("is a process of the other tests")
	}
	w := &world{here.Dir}
	cfg := w.config(here.Machine)
	cfg.Silence = 3 * time.Second
	cfg.BeforeStep = func(step string) {
		if step == here.Step {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	}
	cfg.Tell = func(e bootstrap.Event) {
		if e.Code != "" {
			_ = os.WriteFile(here.Told+".new", []byte(e.Code), 0o600)
			_ = os.Rename(here.Told+".new", here.Told)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	do := map[string]func(context.Context, bootstrap.Config) error{
		"init": initOf(1), "join": w.joinOf(here.Machine, here.Code), "leave": bootstrap.Leave, "invite": inviteOf(invitation()), "sync": syncing,
	}[here.Do]
	mustNot(t, do(ctx, cfg))
}

// killed runs a command in a process that has to die before a step.
func (w *world) killed(t *testing.T, here killedHere) {
	t.Helper()
	here.Dir = w.dir
	text, err := json.Marshal(here)
	mustNot(t, err)
	cmd := exec.Command(os.Args[0], "-test.run", "^TestKilledHere$", "-test.v")
	cmd.Env = append(os.Environ(), killedEnv+"="+string(text))
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("%s before %s: %v\n%s", here.Do, here.Step, err, out)
	}
}

// localSteps are the steps on a node.
func localSteps() []string {
	return []string{"stop", "cib", "authkey", "corosync.conf", "corosync", "pacemaker", "member"}
}

// A first node that is killed before any step goes on, and can also be taken back.
func TestKilledInit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.furnish(t, 1)
	for _, step := range localSteps() {
		w.killed(t, killedHere{Do: "init", Machine: 1, Step: step})
	}
	mustNot(t, bootstrap.Init(t.Context(), w.config(1), founding(1)))
	w.isComplete(t, 1)
	for _, step := range []string{"undo pacemaker", "undo corosync", "undo corosync.conf", "undo authkey", "undo cib", "undo stop"} {
		w.killed(t, killedHere{Do: "leave", Machine: 1, Step: step})
	}
	if err := bootstrap.Init(t.Context(), w.config(1), founding(1)); err == nil || !strings.Contains(err.Error(), "leaving") {
		t.Errorf("init in the middle of a leave: %v", err)
	}
	mustNot(t, bootstrap.Leave(t.Context(), w.config(1)))
	w.isAsFurnished(t, 1)
	for _, step := range localSteps() {
		w.killed(t, killedHere{Do: "init", Machine: 1, Step: step})
		mustNot(t, bootstrap.Leave(t.Context(), w.config(1)))
		w.isAsFurnished(t, 1)
	}
}

// Daemons that are left of a start that was killed are stopped first.
func TestKilledWithItsService(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.killed(t, killedHere{Do: "init", Machine: 1, Step: "member"})
	mustNot(t, os.Rename(w.path(1, "run/pacemaker"), w.path(1, "run/left-pacemaker")))
	mustNot(t, bootstrap.Init(t.Context(), w.config(1), founding(1)))
	w.isComplete(t, 1)
}

// A machine that is just booting starts its services in the middle of the command: after they were
// stopped, and with the former configuration.
func TestMachineThatIsBooting(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	for name, text := range map[string]string{"boots": "pacemaker", "corosync": "", "pacemaker": ""} {
		mustNot(t, os.WriteFile(w.path(1, "run/"+name), []byte(text), 0o600))
	}
	cfg := w.config(1)
	cfg.BeforeStep = func(step string) {
		if step == "corosync" {
			mustNot(t, os.WriteFile(w.path(1, "run/corosync"), nil, 0o600)) // the example, which has no version
		}
	}
	mustNot(t, bootstrap.Init(t.Context(), cfg, founding(1)))
	w.isComplete(t, 1)
	if got, want := w.read(t, 1, "run/corosync"), strconv.FormatUint(w.conf(1).Version(), 10); strings.TrimSpace(got) != want {
		t.Errorf("corosync has version %q in effect, expected %s", got, want)
	}
}

// A node that is killed before any step while it joins goes on with the same code.
func TestKilledJoin(t *testing.T) {
	t.Parallel()
	w := founded(t, 2, 1)
	w.furnish(t, 2)
	cfg := w.config(1)
	cfg.Silence = 3 * time.Second
	host := start(t.Context(), cfg, inviteOf(invitation()))
	code := host.code(t)
	for _, step := range localSteps() {
		w.killed(t, killedHere{Do: "join", Machine: 2, Step: step, Code: code})
	}
	c := start(t.Context(), w.config(2), w.joinOf(2, code))
	if err := errors.Join(c.ends(t), host.ends(t)); err != nil {
		t.Fatalf("%v\n%s\n%s", err, c, host)
	}
	w.isComplete(t, 2)
	mustNot(t, bootstrap.Leave(t.Context(), w.config(2)))
	w.isAsFurnished(t, 2)
}

// An inviting node that is killed has joined or not joined the other one after the next invitation,
// never half.
func TestKilledInvite(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"spread", "hand over", "settle"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			w := founded(t, 2, 1)
			told := w.path(1, "code")
			done := make(chan struct{})
			go func() {
				defer close(done)
				w.killed(t, killedHere{Do: "invite", Machine: 1, Step: step, Told: told})
			}()
			var code []byte
			testkit.Eventually(t, time.Minute, func() (err error) { code, err = os.ReadFile(told); return err })
			err := start(t.Context(), w.config(2), w.joinOf(2, string(code))).ends(t)
			<-done
			if (err == nil) != (step == "settle") {
				t.Errorf("the join: %v", err)
			}
			i := invitation()
			i.Port = 12345
			listening := filepath.Join(w.dir, "listens 192.0.2.1:10009")
			mustNot(t, os.Remove(listening))
			again := start(t.Context(), w.config(1), inviteOf(i))
			if step != "settle" {
				mustNot(t, start(t.Context(), w.config(2), w.joinOf(2, again.code(t))).ends(t))
			}
			if err := again.ends(t); err != nil {
				t.Fatalf("%v\n%s", err, again)
			}
			w.isComplete(t, 2)
			if _, err := os.Stat(listening); err == nil {
				t.Error("it has listened on another port than it was told")
			}
		})
	}
}

// A member that is killed after it has stored the new file has the former one again, and the next
// attempt works.
func TestKilledSync(t *testing.T) {
	t.Parallel()
	w := founded(t, 3, 2)
	before := w.read(t, 2, "etc/corosync.conf")
	host := start(t.Context(), w.config(1), inviteOf(invitation()))
	third := start(t.Context(), w.config(3), w.joinOf(3, host.code(t)))
	host.waits(t)
	w.killed(t, killedHere{Do: "sync", Machine: 2, Step: "stored"})
	if err := third.ends(t); err == nil {
		t.Error("the third has joined")
	}
	if w.read(t, 2, "etc/corosync.conf") == before {
		t.Error("the second was killed too early")
	}
	nobody := bootstrap.Syncing{Port: 9, Wait: time.Second}
	if err := bootstrap.Sync(t.Context(), w.config(2), nobody); err == nil || w.read(t, 2, "etc/corosync.conf") != before {
		t.Errorf("%v; the second has\n%s", err, w.read(t, 2, "etc/corosync.conf"))
	}
	second := start(t.Context(), w.config(2), syncing)
	for _, c := range []*command{start(t.Context(), w.config(3), w.joinOf(3, host.code(t))), host, second} {
		if err := c.ends(t); err != nil {
			t.Fatalf("%v\n%s", err, c)
		}
	}
	w.isComplete(t, 3)
	if w.exists(2, "journal/stored") {
		t.Error("the former file is kept")
	}
}
