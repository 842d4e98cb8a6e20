package statsock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Server is one line of show servers state (management guide, 9.3).
type Server struct {
	Backend string
	Name    string
	// Address is the IP address as HAProxy writes it, "-" while a host name is
	// not resolved.
	Address string
	Port    int
	Weight  int // as set at run time, 0 to 256
	// Maintenance and Draining are what an administrator or the configuration
	// asked for.
	Maintenance, Draining bool
	// Up: the server is in operation, by its checks.
	Up bool
}

// The bits of srv_admin_state (HAProxy's include/haproxy/server-t.h,
// SRV_ADMF_*). The bit for "disabled in the configuration", 0x04, stays set when
// the server is put to use, and means nothing by itself.
const (
	adminMaintenance = 0x01 | 0x02 | 0x20
	adminDraining    = 0x08 | 0x10
)

// ShowServers asks how the servers of a backend stand, or those of all backends
// when its name is empty.
func (c *Client) ShowServers(ctx context.Context, backend string) ([]Server, error) {
	text, err := c.answer(ctx, strings.TrimSpace("show servers state "+backend))
	if err != nil {
		return nil, err
	}
	servers, err := parseServers(text)
	if err != nil {
		return nil, fmt.Errorf("reading show servers state: %w", err)
	}
	return servers, nil
}

// serverColumns are the columns that a Server is made of.
func serverColumns() []string {
	return []string{"be_name", "srv_name", "srv_addr", "srv_port", "srv_uweight", "srv_admin_state", "srv_op_state"}
}

// parseServers reads the version of the format, a heading that names the
// columns, and a line for each server. Versions may add columns.
func parseServers(text string) ([]Server, error) {
	version, rest, _ := strings.Cut(text, "\n")
	if version != "1" {
		return nil, refusal(text)
	}
	heading, rest, _ := strings.Cut(rest, "\n")
	names, ok := strings.CutPrefix(heading, "# ")
	if !ok {
		return nil, refusal(rest)
	}
	places, err := findColumns(strings.Fields(names), serverColumns())
	if err != nil {
		return nil, err
	}
	servers := make([]Server, 0, strings.Count(rest, "\n"))
	for line := range strings.Lines(rest) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		s, err := parseServer(fields, places)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", len(servers)+3, err)
		}
		servers = append(servers, s)
	}
	return servers, nil
}

// findColumns says where the columns stand among the names of a heading.
func findColumns(names, columns []string) ([]int, error) {
	places := make([]int, len(columns))
	for i, c := range columns {
		if places[i] = slices.Index(names, c); places[i] < 0 {
			return nil, fmt.Errorf("there is no column %s", c)
		}
	}
	return places, nil
}

func parseServer(fields []string, places []int) (Server, error) {
	if slices.Max(places) >= len(fields) {
		return Server{}, fmt.Errorf("%d columns are too few", len(fields))
	}
	text := func(i int) string { return fields[places[i]] }
	port, portErr := strconv.Atoi(text(3))
	weight, weightErr := strconv.Atoi(text(4))
	admin, adminErr := strconv.Atoi(text(5))
	operation, operationErr := strconv.Atoi(text(6))
	if err := errors.Join(portErr, weightErr, adminErr, operationErr); err != nil {
		return Server{}, err
	}
	return Server{
		Backend: text(0), Name: text(1), Address: text(2), Port: port, Weight: weight,
		Maintenance: admin&adminMaintenance != 0, Draining: admin&adminDraining != 0,
		Up: operation == 1 || operation == 2,
	}, nil
}
