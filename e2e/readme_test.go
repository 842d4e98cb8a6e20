package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"thalassa/internal/testkit"
)

// pageCommands are the commands that a page tells its reader to run against the
// demo, in order, with the ports of d.
func (d *demo) pageCommands(path string) []string {
	d.tb.Helper()
	page, err := os.ReadFile(path)
	if err != nil {
		d.tb.Fatal(err)
	}
	own := testkit.Port(d.tb)
	here := strings.NewReplacer(
		"localhost:8080", fmt.Sprintf("127.0.0.1:%d", d.web),
		"localhost:10000", fmt.Sprintf("127.0.0.1:%d", d.api),
		"127.0.0.1:8081", fmt.Sprintf("127.0.0.1:%d", own),
		"localhost:8081", fmt.Sprintf("127.0.0.1:%d", own),
		"bin/thalassa", build(d.tb),
		"--every 5s", "--every 1s", // the test's time
	)
	var commands []string
	for _, m := range regexp.MustCompile(`(?m)^    ((curl|echo|bin/thalassa) .*)$`).FindAllStringSubmatch(string(page), -1) {
		commands = append(commands, here.Replace(m[1]))
	}
	return commands
}

// What the README and the first page of the documentation tell a newcomer to run
// works as written, in order.
func TestCommandsOfThePagesWork(t *testing.T) {
	for path, wants := range map[string][]string{
		"../README.md": {
			"demo 1.0.0, instance ", `"path":"runtime"`, "demo 1.1.0, instance ", `"code":"conflict"`,
			"backend/live is at demo 1.0.0", "backend/live is at demo 1.1.0", "3 of 3",
			`"applied":true`, `"applied":true`, "demo 1.1.0, instance ",
		},
		"../docs/getting-started.md": {
			"demo 1.0.0, instance ", "demo 1.1.0, instance ",
			"3 of 3", "backend/live is at demo 1.1.0", "demo 1.1.0, instance ", "backend/live is at demo 1.0.0",
			"backend/live is at demo 1.0.0=90,1.1.0=10", "backend/live is at demo 1.0.0",
			"backend/next stored and in effect", "frontend/next stored and in effect", "demo 1.1.0, instance ",
			"", "backend/next stored, nothing had to change", "frontend/next deleted", "backend/next deleted",
			"configurationChanged", "\nfrontend web\n", "live",
		},
	} {
		t.Run(path, func(t *testing.T) {
			d := startDemo(t)
			testkit.Eventually(t, patience, func() error {
				if !strings.Contains(d.out.String(), "Activity:") {
					return fmt.Errorf("no welcome yet: %s", d.out)
				}
				return nil
			})
			commands, folder := d.pageCommands(path), t.TempDir()
			if len(commands) != len(wants) {
				t.Fatalf("the page has %d commands, expected %d: %q", len(commands), len(wants), commands)
			}
			for i, want := range wants {
				cmd := exec.Command("sh", "-c", commands[i])
				cmd.Dir = folder
				cmd.Env = append(os.Environ(), fmt.Sprintf("THALASSA_AGENT=http://127.0.0.1:%d", d.api))
				out, err := cmd.CombinedOutput()
				if err != nil || !strings.Contains(string(out), want) {
					t.Errorf("%s: %v, expected %q in\n%s", commands[i], err, want, out)
				}
			}
		})
	}
}
