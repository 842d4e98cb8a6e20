package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"thalassa/settings"
)

var (
	request     = regexp.MustCompile(`^\.(TH|SH|TP|B|I|RI|RS|RE|PP|nf|fi)( |$)`)
	roffEscapes = strings.NewReplacer(`\-`, "-", `\e`, `\`, `\(dq`, `"`, `\(aq`, "'", `\(ga`, "`", `\(ha`, "^", `\(ti`, "~", `\&`, "")
)

// Every command, flag and setting is in a page, and no text of theirs is a request to
// the formatter.
func TestManualPages(t *testing.T) {
	root := referenceRoot()
	pages := manPages(root, "1.2.3")
	if len(pages) != len(visible(root))+2 {
		t.Errorf("there are %d pages", len(pages))
	}
	for name, text := range pages {
		for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
			if line == "" || strings.ContainsAny(line[:1], ".'") && !request.MatchString(line) {
				t.Errorf("%s: %q is not text, nor a request of man(7)", name, line)
			}
		}
		if strings.Count(text, ".nf\n") != strings.Count(text, ".fi\n") || strings.Count(text, ".RS 4\n") != strings.Count(text, ".RE\n") {
			t.Errorf("%s: a part without filling has no end", name)
		}
	}
	holds := func(page, want string) {
		t.Helper()
		if !strings.Contains(roffEscapes.Replace(pages[page]), want) {
			t.Errorf("%s does not have %q", page, want)
		}
	}
	for _, c := range visible(root) {
		holds("thalassa.1", "thalassa-"+c.Name()+"(1)")
		page := "thalassa-" + c.Name() + ".1"
		holds(page, c.Parent().CommandPath()+" "+c.Use)
		for _, sub := range visible(c) {
			holds(page, c.CommandPath()+" "+sub.Use)
		}
		if c.Flags().Lookup("haproxy-cfg-path") == nil {
			for _, f := range allFlags(c.NonInheritedFlags()) {
				holds(page, "--"+f.Name)
			}
		}
	}
	for _, g := range settings.Groups() {
		for _, s := range g.Settings {
			holds("thalassa.yaml.5", "\n.B "+s.Name+"\n")
		}
	}
}

// The formatter has nothing to say about the pages.
func TestManualPagesFormat(t *testing.T) {
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("groff is not installed; TestManualPages checks the requests")
	}
	dir := t.TempDir()
	for name, text := range manPages(referenceRoot(), "1.2.3") {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(groff, "-man", "-Tutf8", "-ww", "-z", path).CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != "" {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}
