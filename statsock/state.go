package statsock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A ServerDump is an answer to show servers state, in the form of a server-state-file
// (configuration manual, 3.1, "server-state-file").
type ServerDump struct {
	// Heading is the version of the format and the line that names the columns.
	Heading string
	Lines   []ServerLine
}

// A ServerLine is one server of a dump.
type ServerLine struct {
	Server
	// Host is the name that was resolved to the address; empty: there is none.
	Host string

	fields  []string
	columns stateColumns
}

// stateColumns are places in a line.
type stateColumns struct {
	server              []int // see findServerColumns
	host                int
	admin, weight, base int
	check, agent        int
}

// healthColumns are how many columns a line has at least, up to "srvrecord". HAProxy
// reads them by their place. Those that follow are TLS and the addresses and ports of
// checks and agents, which it would take in preference to haproxy.cfg.
const healthColumns = 20

// DumpServers asks for the state of the servers of all backends.
func (c *Client) DumpServers(ctx context.Context) (ServerDump, error) {
	text, err := c.answer(ctx, "show servers state")
	if err != nil {
		return ServerDump{}, err
	}
	dump, err := parseDump(text)
	if err != nil {
		return ServerDump{}, fmt.Errorf("reading show servers state: %w", err)
	}
	return dump, nil
}

func parseDump(text string) (ServerDump, error) {
	version, rest, _ := strings.Cut(text, "\n")
	heading, rest, _ := strings.Cut(rest, "\n")
	names, ok := strings.CutPrefix(heading, "# ")
	if version != "1" || !ok {
		return ServerDump{}, refusal(text)
	}
	columns, err := findStateColumns(strings.Fields(names))
	if err != nil {
		return ServerDump{}, err
	}
	dump := ServerDump{Heading: version + "\n" + heading + "\n"}
	for line := range strings.Lines(rest) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		l := ServerLine{fields: fields, columns: columns}
		if len(fields) < len(strings.Fields(names)) {
			return ServerDump{}, errors.New("a line is too short")
		}
		if l.Server, err = parseServer(fields, columns.server, func(s string) string { return s }); err != nil {
			return ServerDump{}, err
		}
		if host := fields[columns.host]; host != "-" {
			l.Host = host
		}
		dump.Lines = append(dump.Lines, l)
	}
	return dump, nil
}

func findStateColumns(names []string) (c stateColumns, err error) {
	if c.server, err = findServerColumns(names); err != nil {
		return c, err
	}
	more, err := findColumns(names, []string{
		"srv_fqdn", "srv_admin_state", "srv_uweight", "srv_iweight", "srv_check_state", "srv_agent_state",
	})
	if err != nil {
		return c, err
	}
	if len(names) < healthColumns || names[healthColumns-1] != "srvrecord" {
		return c, errors.New("column 20 is not srvrecord")
	}
	c.host, c.admin, c.weight, c.base, c.check, c.agent = more[0], more[1], more[2], more[3], more[4], more[5]
	return c, nil
}

// String is the line as it was.
func (l ServerLine) String() string { return strings.Join(l.fields, " ") + "\n" }

// Kept is the line without TLS and the addresses and ports of checks and agents: its
// health, and what an administrator asked for.
func (l ServerLine) Kept() string { return strings.Join(l.fields[:healthColumns], " ") + "\n" }

// Health is Kept of a server that for the rest is in use, and checked, with a weight,
// as haproxy.cfg says.
func (l ServerLine) Health(weight int) string {
	fields := slices.Clone(l.fields[:healthColumns])
	for _, place := range []int{l.columns.admin, l.columns.check, l.columns.agent} {
		fields[place] = "0"
	}
	fields[l.columns.weight], fields[l.columns.base] = strconv.Itoa(weight), strconv.Itoa(weight)
	return strings.Join(fields, " ") + "\n"
}
