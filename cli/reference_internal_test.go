package cli

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"strings"
	"testing"
	"text/template"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"thalassa/internal/testkit"
	"thalassa/settings"
)

var update = flag.Bool("update", false, "rewrite the generated documentation")

// reference is docs/cli.md: testdata/reference.md with what is known of the commands.
func reference(t *testing.T) []byte {
	t.Helper()
	root := referenceRoot()
	text, err := template.New("reference.md").Funcs(template.FuncMap{
		"commandList": func() string { return commandList(root) },
		"commands":    func() string { return commandSections(root) },
		"exitCodes":   exitTable,
		"settings":    settingTables,
	}).ParseFiles("testdata/reference.md")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := text.Execute(&b, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func referenceRoot() *cobra.Command {
	return newRoot(environment{Environment: Environment{
		Program: "thalassa", Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: io.Discard, Getenv: func(string) string { return "" },
	}})
}

func commandList(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("| command | |\n|---|---|\n")
	for _, c := range visible(root) {
		fmt.Fprintf(&b, "| [`%s`](#thalassa-%s) | %s |\n", c.CommandPath(), c.Name(), c.Short)
	}
	return strings.TrimSpace(b.String())
}

func commandSections(root *cobra.Command) string {
	var b strings.Builder
	for _, c := range visible(root) {
		fmt.Fprintf(&b, "## %s\n\n", c.CommandPath())
		section(&b, c)
		for _, sub := range visible(c) {
			fmt.Fprintf(&b, "### %s\n\n", sub.CommandPath())
			section(&b, sub)
		}
	}
	return strings.TrimSpace(b.String())
}

// section is about one command: its usage, text, flags and examples.
func section(b *strings.Builder, c *cobra.Command) {
	fmt.Fprintf(b, "```text usage\n%s\n```\n\n", c.UseLine())
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	b.WriteString(paragraphs(text) + "\n\n")
	if c.Flags().Lookup("haproxy-cfg-path") != nil {
		b.WriteString("Flags: the [settings of the agent](#settings-of-the-agent).\n\n")
	} else {
		b.WriteString(flagTable(c.NonInheritedFlags()))
	}
	if c.Example != "" {
		b.WriteString("Examples:\n\n")
		switch path := c.CommandPath(); {
		case strings.HasPrefix(path, "thalassa cluster "):
			b.WriteString("<!-- not run: needs a Pacemaker cluster -->\n")
		case path == "thalassa import pyhrapi": // which runs there
			b.WriteString("<!-- not run: needs a second machine -->\n")
		}
		b.WriteString("```sh\n" + unindent(c.Example) + "\n```\n\n")
	}
}

// paragraphs is the text of a help as Markdown: what is indented is a list or
// preformatted.
func paragraphs(text string) string {
	var out []string
	code := false // within a preformatted part
	for l := range strings.SplitSeq(text, "\n") {
		item := strings.HasPrefix(l, "  - ")
		if is := strings.HasPrefix(l, "  ") && !item; is != code {
			code = is
			out = append(out, map[bool]string{true: "```text", false: "```"}[code])
		}
		if item || code {
			l = l[2:]
		}
		out = append(out, l)
	}
	if code {
		out = append(out, "```")
	}
	return strings.Join(out, "\n")
}

// unindent removes the indentation of an example.
func unindent(text string) string {
	return strings.TrimPrefix(strings.ReplaceAll(text, "\n  ", "\n"), "  ")
}

// flagTable is empty without flags of the command's own: help and the flags of the
// connection to an agent are told of elsewhere.
func flagTable(f *pflag.FlagSet) string {
	var b strings.Builder
	for _, one := range allFlags(f) {
		if one.Name == "help" || one.Name == "agent" || one.Name == "token-file" || one.Hidden {
			continue
		}
		short := ""
		if one.Shorthand != "" {
			short = "`-" + one.Shorthand + "`, "
		}
		_, usage := pflag.UnquoteUsage(one)
		fmt.Fprintf(&b, "| %s`--%s` | %s | %s |\n", short, one.Name, defaultOf(one), usage)
	}
	if b.Len() == 0 {
		return ""
	}
	return "| flag | default | meaning |\n|---|---|---|\n" + b.String() + "\n"
}

func defaultOf(f *pflag.Flag) string {
	if f.DefValue == "" || f.DefValue == "[]" {
		return "–"
	}
	return "`" + f.DefValue + "`"
}

func exitTable() string {
	var b strings.Builder
	b.WriteString("| code | meaning |\n|---|---|\n")
	for _, m := range exitMeanings() {
		fmt.Fprintf(&b, "| %d | %s |\n", m.code, m.long)
	}
	return strings.TrimSpace(b.String())
}

func settingTables() string {
	var s settings.Agent
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	s.Flags(f)
	var b strings.Builder
	for _, g := range settings.Groups() {
		fmt.Fprintf(&b, "### %s\n\n", g.Title)
		if g.About != "" {
			b.WriteString(g.About + "\n\n")
		}
		b.WriteString("| setting | default | meaning |\n|---|---|---|\n")
		for _, one := range g.Settings {
			flag := f.Lookup(one.Name)
			_, usage := pflag.UnquoteUsage(flag)
			meaning := strings.ToUpper(usage[:1]) + usage[1:] + "."
			live := ""
			if one.Live {
				live = " Takes effect on SIGHUP."
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", one.Name, defaultOf(flag), strings.TrimSpace(meaning+" "+one.Explanation)+live)
		}
		b.WriteString("\n")
	}
	return strings.TrimSpace(b.String())
}

// The reference in the documentation is the commands' own.
func TestReferenceIsUpToDate(t *testing.T) {
	const path = "../docs/cli.md"
	testkit.ComparePage(t, path, "commands", reference(t), *update)
}

// everyCommand calls see for each command, hidden ones too.
func everyCommand(cmd *cobra.Command, see func(*cobra.Command)) {
	see(cmd)
	for _, c := range cmd.Commands() {
		everyCommand(c, see)
	}
}

// The help of a flag is a phrase of at most twelve words, without a sentence's end.
func TestFlagHelpIsShort(t *testing.T) {
	const most = 12
	flags := 0
	everyCommand(referenceRoot(), func(c *cobra.Command) {
		c.Flags().AddFlagSet(c.PersistentFlags())
		for _, f := range allFlags(c.Flags()) {
			flags++
			_, usage := pflag.UnquoteUsage(f)
			if n := len(strings.Fields(usage)); n == 0 || n > most {
				t.Errorf("%s --%s: %d words, want 1 to %d: %s", c.CommandPath(), f.Name, n, most, usage)
			}
			if strings.HasSuffix(usage, ".") {
				t.Errorf("%s --%s: a phrase does not end with a period: %s", c.CommandPath(), f.Name, usage)
			}
		}
	})
	if flags < 100 {
		t.Errorf("%d flags were looked at", flags)
	}
}

// Help fits into a terminal of 100 columns, but for lines of flags.
func TestHelpFitsATerminal(t *testing.T) {
	everyCommand(referenceRoot(), func(c *cobra.Command) {
		for line := range strings.SplitSeq(c.Short+"\n"+c.Long+"\n"+c.Example, "\n") {
			if n := len([]rune(line)); n > 100 {
				t.Errorf("%s: a line of %d characters: %s", c.CommandPath(), n, line)
			}
		}
	})
}

// The flags of the agent are under headings, each once.
func TestAgentHelpIsGrouped(t *testing.T) {
	var out strings.Builder
	env := Environment{Program: "thalassa", Stdin: strings.NewReader(""), Stdout: &out, Stderr: io.Discard, Getenv: func(string) string { return "" }}
	for _, command := range []string{"agent", "check"} {
		out.Reset()
		if code := Run(t.Context(), []string{command, "--help"}, env, Parts{}); code != exitOK {
			t.Fatalf("exit code %d", code)
		}
		help := out.String()
		rest := help
		for _, g := range settings.Groups() {
			_, after, found := strings.Cut(rest, "\n"+g.Title+":\n")
			if !found {
				t.Fatalf("%s: heading %s is missing, or not in order:\n%s", command, g.Title, help)
			}
			rest = after
			group, _, _ := strings.Cut(rest, "\n\n")
			for _, s := range g.Settings {
				if !strings.Contains(group, "--"+s.Name+" ") || strings.Count(help, "  --"+s.Name+" ") != 1 {
					t.Errorf("%s: --%s is not below %s, or not once", command, s.Name, g.Title)
				}
			}
		}
		if _, other, found := strings.Cut(rest, "\nOther:\n"); !found || !strings.HasPrefix(strings.TrimSpace(other), "-h, --help") || strings.Count(other, "\n") != 1 {
			t.Errorf("%s: other flags are %q", command, other)
		}
	}
}
