package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"thalassa/client"
	clusterstatus "thalassa/cluster"
	"thalassa/internal/testkit"
	"thalassa/internal/testkit/cluster"
	"thalassa/internal/testkit/figures"
)

// TestClusterHundred kills the node with the management address at a random one of a hundred
// steps, as many times as THALASSA_HUNDRED says; make hundred runs it. TestClusterManage does it
// once, with fewer steps.
func TestClusterHundred(t *testing.T) {
	seeds := times(t, "THALASSA_HUNDRED", "hundred")
	begun, seed := time.Now(), seedOf(t, "THALASSA_HUNDRED", uint64(time.Now().UnixNano()))
	done := map[string]int{"steps": 0, "kills": 0, "lost": 0, "repeated": 0, "out of order": 0}
	figures.Append(t, "hundred", begun, seed, func() map[string]int { return done })
	root := releaseRoot(t)
	s := newManagedFixture(t, func(cfg *cluster.Config) { cfg.Life, cfg.Root = 8*time.Hour, root })
	t.Logf("%s", s.cluster.Any().Run("pacemakerd", "--version"))
	s.login()
	for n := range seeds {
		if !t.Run(strconv.Itoa(n+1), func(t *testing.T) { s.steps(t, seed+uint64(n), 100, done) }) { //nolint:gosec // a small number
			return
		}
	}
}

// releaseRoot is the root folder of the release with the Pacemaker that THALASSA_PACEMAKER names; empty:
// this machine's.
func releaseRoot(t *testing.T) string {
	t.Helper()
	name := os.Getenv("THALASSA_PACEMAKER")
	if name == "" {
		return ""
	}
	roots := cluster.Roots()
	i := slices.IndexFunc(roots, func(root string) bool { return filepath.Base(root) == name })
	if i < 0 {
		t.Fatalf("THALASSA_PACEMAKER is %q, expected one of %q, which tools/setup pacemakers makes", name, roots)
	}
	return roots[i]
}

// steps has the user carry out steps, and kills the node with the address during a random one
// of them. done counts what came of it.
func (s *managedFixture) steps(t *testing.T, seed uint64, count int, done map[string]int) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	s.prepareSteps(t)
	file := filepath.Join(t.TempDir(), "steps")
	if err := os.WriteFile(file, stepLines(count), 0o600); err != nil {
		t.Fatal(err)
	}
	killAt, after := 1+random.IntN(count-1), time.Duration(random.IntN(600))*time.Millisecond
	// One change is more than one version: what it changes, and the mark of its job.
	before := s.epochNow(t)
	if err := s.request(http.MethodPatch, "/cluster/config/primitives/probe", `{"meta":{"priority":"0","target-role":"Started"}}`); err != nil {
		t.Fatal(err)
	}
	each := s.epochNow(t) - before
	begun := time.Now()
	values := s.watchCounter(t)
	before += each
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	cmd := s.outside(ctx, "cluster", "run", "-f", file, "--run", strconv.FormatUint(seed, 10))
	var problem bytes.Buffer
	cmd.Stderr = &problem
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed, outage := "", time.Duration(0)
	var jobs []string
	last := time.Now()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if m := stepLine.FindStringSubmatch(lines.Text()); m != nil {
			jobs = append(jobs, m[1])
		} else {
			t.Errorf("the command says %q", lines.Text())
		}
		outage, last = max(outage, time.Since(last)), time.Now()
		if len(jobs) == killAt {
			holder := s.managedBy("")
			timer := time.NewTimer(after) // somewhere within the next step
			<-timer.C
			s.cluster.Node(holder).Kill()
			killed = holder
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("seed %d, after %d steps of %d, killed %q: %v: %s", seed, len(jobs), count, killed, err, &problem)
	}
	t.Logf("seed %d: %d steps in %s; %s killed %s after step %d, the longest pause %s", seed, len(jobs), time.Since(begun).Round(time.Second), killed, after, killAt, outage.Round(time.Millisecond))
	if len(jobs) != count || killed == "" {
		t.Errorf("%d steps of %d, killed %q", len(jobs), count, killed)
	}
	done["steps"] += len(jobs)
	done["kills"]++
	s.onceInOrder(t, jobs, values(), done)
	if changes := s.epochNow(t) - before; each < 1 || changes != each*count {
		done["repeated"] += max(0, changes-each*count)
		done["lost"] += max(0, each*count-changes)
		t.Errorf("the configuration has had %d versions by %d steps of %d each", changes, count, each)
	}
	s.cluster.AwaitAll()
	s.cluster.AwaitIdle()
	s.managedBy("")
}

// stepLine is a line of cluster run, with the job of the step.
var stepLine = regexp.MustCompile(`^\d+/\d+  done  \S+ \S+  job ([0-9a-f]{20})  `)

// stepLines are steps whose order and number can be seen afterwards: odd ones set a counter; a
// copy, which only works once, adds a tag to the end of a list; the tenth ones stop and start a
// resource.
func stepLines(count int) []byte {
	var b bytes.Buffer
	for i := 1; i <= count; i++ {
		switch {
		case i%20 == 10:
			b.WriteString("POST /cluster/actions/stop {\"resource\": \"probe\"}\n")
		case i%20 == 0:
			b.WriteString("POST /cluster/actions/start {\"resource\": \"probe\"}\n")
		case i%2 == 0:
			fmt.Fprintf(&b, "POST /cluster/config/tags/step-0/copy {\"to\": \"step-%d\"}\n", i)
		default:
			fmt.Fprintf(&b, "PATCH /cluster/config/primitives/probe {\"meta\": {\"priority\": \"%d\", \"target-role\": \"%s\"}}\n", i, []string{"Started", "Stopped"}[(i/10)%2])
		}
	}
	return b.Bytes()
}

// prepareSteps makes the resource and the tag of the steps anew.
func (s *managedFixture) prepareSteps(t *testing.T) {
	t.Helper()
	edits := []string{
		`{"method":"PUT","path":"/cluster/config/primitives/probe","body":{"agent":"ocf:pacemaker:Dummy","meta":{"target-role":"Started"},"ops":[{"name":"monitor","interval":"10s"}]}}`,
		`{"method":"PUT","path":"/cluster/config/tags/step-0","body":{"objects":["probe"]}}`,
	}
	for _, id := range s.stepTags() {
		edits = append(edits, `{"method":"DELETE","path":"/cluster/config/tags/`+id+`"}`)
	}
	testkit.Eventually(t, time.Minute, func() error {
		return s.request(http.MethodPost, "/cluster/changes", `{"edits":[`+strings.Join(edits, ",")+`]}`)
	})
	s.cluster.AwaitIdle()
}

// request changes something at the address.
func (s *managedFixture) request(method, path, body string) error {
	step := client.Step{Method: method, Path: path, Key: fmt.Sprintf("test-%d", time.Now().UnixNano())}
	if body != "" {
		step.Body = []byte(body)
	}
	_, err := client.RunStep(s.tb.Context(), s.api(), step, time.Minute)
	return err
}

// stepTags are the tags that steps have made, in the order in which the CIB has them.
func (s *managedFixture) stepTags() []string {
	out := s.cluster.Any().Run("cibadmin", "-Ql", "-o", "configuration")
	var tags []string
	for _, m := range regexp.MustCompile(`<tag id="(step-[1-9]\d*)"`).FindAllStringSubmatch(out, -1) {
		tags = append(tags, m[1])
	}
	return tags
}

// epochNow is the number of the configuration's version.
func (s *managedFixture) epochNow(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(epoch(s.cluster.Any().Run("cibadmin", "-Ql", "-n")))
	if err != nil {
		t.Fatalf("the version of the configuration: %v", err)
	}
	return n
}

// watchCounter notes each value of the counter that a node sees twice a second, until the function
// that it returns is called. A value stays for two steps, so for a second at least.
func (s *managedFixture) watchCounter(t *testing.T) func() []int {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var values []int
	var watching sync.WaitGroup
	counter := regexp.MustCompile(`name="priority" value="(\d+)"`)
	watching.Go(func() {
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			up := s.cluster.Up()
			if len(up) == 0 {
				continue
			}
			out, err := up[len(up)-1].Try("cibadmin", "-Ql", "--xpath", `//primitive[@id="probe"]`) //nolint:contextcheck // it has a time limit
			m := counter.FindStringSubmatch(out)
			if err != nil || m == nil {
				continue // the node is gone
			}
			if n, _ := strconv.Atoi(m[1]); len(values) == 0 || values[len(values)-1] != n {
				values = append(values, n)
			}
		}
	})
	t.Cleanup(func() { cancel(); watching.Wait() })
	return func() []int {
		cancel()
		watching.Wait()
		return values
	}
}

// onceInOrder checks by the jobs, the configuration and the values that were seen that each step
// was carried out, and in its order.
func (s *managedFixture) onceInOrder(t *testing.T, jobs []string, values []int, done map[string]int) {
	t.Helper()
	count := len(jobs)
	if !slices.IsSorted(values) {
		done["out of order"]++
		t.Errorf("the counter was %v", values)
	}
	if len(values) < count/4 {
		t.Errorf("the watcher has seen %v only", values)
	}
	var want []string
	for i := 1; i <= count; i++ {
		if i%2 == 0 && i%10 != 0 {
			want = append(want, "step-"+strconv.Itoa(i))
		}
	}
	if got := s.stepTags(); !slices.Equal(got, want) {
		done["out of order"]++
		t.Errorf("the tags are %v, expected %v", got, want)
	}
	seen := map[string]bool{}
	var last clusterstatus.Job
	for i, id := range jobs {
		j, err := client.ClusterJob(t.Context(), s.api(), id)
		if err != nil || j.State != clusterstatus.JobDone {
			done["lost"]++
			t.Errorf("step %d: %v, %+v", i+1, err, j)
			continue
		}
		if seen[id] || j.Begun.Before(last.Begun) {
			done["out of order"]++
			t.Errorf("step %d: job %s begun %s, the one before %s", i+1, id, j.Begun, last.Begun)
		}
		seen[id], last = true, j
	}
}
