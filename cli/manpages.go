package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"thalassa/settings"
)

// newManPages writes what `man` shows, for packages.
func newManPages(env environment) *cobra.Command {
	return &cobra.Command{
		Use:   "manpages DIRECTORY",
		Short: "Write the manual pages into a directory",
		Long: `Writes thalassa.1, a page for each command (thalassa-deploy.1) and thalassa.yaml.5 with
the settings of the agent. The Debian package contains these pages.`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			for name, text := range manPages(cmd.Root(), env.Version) {
				if err := os.WriteFile(filepath.Join(args[0], name), []byte(text), 0o644); err != nil { //nolint:gosec // for everybody to read
					return fmt.Errorf("writing the manual pages: %w", err)
				}
			}
			return nil
		},
	}
}

// manPages are the manual pages of a program: file name → text in man(7).
func manPages(root *cobra.Command, version string) map[string]string {
	pages := map[string]string{"thalassa.1": rootPage(root, version), "thalassa.yaml.5": settingsPage(version)}
	for _, c := range visible(root) {
		pages["thalassa-"+c.Name()+".1"] = commandPage(c, version)
	}
	return pages
}

// visible are the commands below cmd that help lists, but for help itself.
func visible(cmd *cobra.Command) []*cobra.Command {
	var list []*cobra.Command
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && c.Name() != "help" {
			list = append(list, c)
		}
	}
	return list
}

func rootPage(root *cobra.Command, version string) string {
	m := newManual("thalassa", 1, version, root.Short)
	m.section("SYNOPSIS")
	m.line(".B thalassa\n.I COMMAND\n.RI [ FLAGS ]")
	m.section("DESCRIPTION")
	m.text(root.Long)
	m.section("COMMANDS")
	for _, c := range visible(root) {
		m.item("thalassa-"+c.Name()+"(1)", c.Short)
	}
	m.section("ENVIRONMENT")
	m.item("THALASSA_AGENT", "URL of the agent, http://127.0.0.1:10000 by default.")
	m.item("THALASSA_TOKEN", "Token for the agent's API.")
	m.section("FILES")
	m.item("/etc/thalassa/thalassa.yaml", "Settings of the agent; see thalassa.yaml(5).")
	m.item("/etc/thalassa/tokens", "Tokens of the API. Commands use one of them if the user may read the file.")
	m.section("EXIT STATUS")
	for _, e := range exitMeanings() {
		m.item(strconv.Itoa(e.code), plain(e.long))
	}
	return m.String()
}

func commandPage(c *cobra.Command, version string) string {
	m := newManual("thalassa-"+c.Name(), 1, version, c.Short)
	m.section("SYNOPSIS")
	for _, one := range append([]*cobra.Command{c}, visible(c)...) {
		m.line(".nf\n" + roff(one.UseLine()) + "\n.fi")
	}
	m.section("DESCRIPTION")
	m.about(c)
	m.flags("OPTIONS", c)
	for _, sub := range visible(c) {
		m.section(strings.ToUpper(sub.CommandPath()))
		m.about(sub)
		m.flags("", sub)
	}
	m.section("SEE ALSO")
	m.text("thalassa(1), thalassa.yaml(5)")
	return m.String()
}

// settingsPage is about the settings file.
func settingsPage(version string) string {
	m := newManual("thalassa.yaml", 5, version, "Settings of the Thalassa node agent")
	m.section("DESCRIPTION")
	m.text("The agent reads this YAML file if --config names it; the systemd unit names /etc/thalassa/thalassa.yaml.\n" +
		"Each key is a flag of thalassa-agent(1) without the dashes, and a flag overrides the file.\n" +
		"\"thalassa check --config FILE\" tests the settings and changes nothing.")
	var s settings.Agent
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	s.Flags(f)
	for _, g := range settings.Groups() {
		m.section(strings.ToUpper(g.Title))
		if g.About != "" {
			m.text(plain(g.About))
		}
		for _, one := range g.Settings {
			flag := f.Lookup(one.Name)
			_, usage := pflag.UnquoteUsage(flag)
			about := strings.ToUpper(usage[:1]) + usage[1:] + "."
			if flag.DefValue != "" && flag.DefValue != "[]" {
				about += " Default: " + flag.DefValue + "."
			}
			m.item(one.Name, strings.TrimSpace(about+" "+plain(one.Explanation)))
		}
	}
	m.section("SEE ALSO")
	m.text("thalassa-agent(1), thalassa-check(1)")
	return m.String()
}
