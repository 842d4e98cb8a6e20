package cli

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A manual is a manual page in the language of man(7).
type manual struct{ b strings.Builder }

// newManual begins a page with its title and its section NAME.
func newManual(name string, number int, version, short string) *manual {
	m := &manual{}
	title := map[int]string{1: "User Commands", 5: "File Formats"}[number]
	m.line(fmt.Sprintf(".TH %s %d \"\" \"%s\" \"%s\"", roff(strings.ToUpper(name)), number, roff("thalassa "+version), title))
	m.section("NAME")
	m.line(roff(name) + ` \- ` + roff(short))
	return m
}

func (m *manual) String() string { return m.b.String() }

// line adds text that is man(7) already.
func (m *manual) line(text string) { m.b.WriteString(text + "\n") }

func (m *manual) section(title string) { m.line(`.SH "` + roff(title) + `"`) }

// item adds a name and what it means.
func (m *manual) item(name, meaning string) {
	m.line(".TP\n.B " + roff(name) + "\n" + roff(meaning))
}

// text adds paragraphs. Lines that are indented by two blanks stay as they are.
func (m *manual) text(text string) {
	code := false
	for line := range strings.SplitSeq(text, "\n") {
		if is := strings.HasPrefix(line, "  "); is != code {
			code = is
			m.line(map[bool]string{true: ".RS 4\n.nf", false: ".fi\n.RE"}[code])
		}
		if line = strings.TrimPrefix(line, "  "); line == "" {
			line = ".PP"
		} else {
			line = roff(line)
		}
		m.line(line)
	}
	if code {
		m.line(".fi\n.RE")
	}
}

// about adds a command's description and examples.
func (m *manual) about(c *cobra.Command) {
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	m.text(text)
	if c.Example != "" {
		m.line(".PP\nExamples:\n.PP")
		m.text(c.Example)
	}
}

// flags adds those of a command, below a title unless that is empty. The agent's
// settings are another page.
func (m *manual) flags(title string, c *cobra.Command) {
	list := allFlags(c.NonInheritedFlags())
	isSetting := c.Flags().Lookup("haproxy-cfg-path") != nil
	if title != "" && (len(list) > 0 || isSetting) {
		m.section(title)
	}
	if isSetting {
		m.text("The flags are the settings in thalassa.yaml(5), with two dashes, and --config FILE for the settings file.")
		return
	}
	for _, f := range list {
		if f.Hidden {
			continue
		}
		value, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if value != "" {
			name += " " + value
		}
		if f.DefValue != "" && f.DefValue != "[]" && f.DefValue != "false" {
			usage += " (default: " + f.DefValue + ")"
		}
		m.item(name, usage)
	}
}

var markdownLink = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)

// plain is Markdown of one paragraph without its marks.
func plain(text string) string {
	return strings.NewReplacer("`", "", "**", "").Replace(markdownLink.ReplaceAllString(text, "$1"))
}

// roff is text that man shows as it is: backslashes, hyphens and quotes are escaped, and
// no line is a request.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, `"`, `\(dq`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
