package statsock

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Connections are those to one server (show servers conn).
type Connections struct {
	Backend, Name string
	// Address is where new ones go, as HAProxy writes it.
	Address string
	Port    int
	Used    int // with a request under way
}

// parseConnections reads a heading and a line for each server. Versions may add
// columns.
func parseConnections(text string) ([]Connections, error) {
	heading, rest, _ := strings.Cut(text, "\n")
	names, ok := strings.CutPrefix(heading, "# ")
	if !ok {
		return nil, refusal(text)
	}
	places, err := findColumns(strings.Fields(names), []string{"bkname/svname", "addr", "port", "used_cur"})
	if err != nil {
		return nil, err
	}
	out := make([]Connections, 0, strings.Count(rest, "\n"))
	for line := range strings.Lines(rest) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if slices.Max(places) >= len(fields) {
			return nil, fmt.Errorf("line %d: %d columns are too few", len(out)+2, len(fields))
		}
		c := Connections{Address: fields[places[1]]}
		var portErr, usedErr error
		c.Backend, c.Name, ok = strings.Cut(fields[places[0]], "/")
		c.Port, portErr = strconv.Atoi(fields[places[2]])
		c.Used, usedErr = strconv.Atoi(fields[places[3]])
		if !ok || portErr != nil || usedErr != nil {
			return nil, fmt.Errorf("line %d: %q is not of the expected form", len(out)+2, line)
		}
		out = append(out, c)
	}
	return out, nil
}
