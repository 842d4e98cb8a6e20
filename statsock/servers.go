package statsock

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
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
	// Maintenance and Draining were set by an administrator or the configuration.
	Maintenance, Draining bool
	// Unresolved: it is in maintenance because its host name has no address.
	Unresolved bool
	// Up: the server is in operation by its checks, or is being taken out by them without errors
	// (disable-on-404).
	Up bool
	// CheckAddress and AgentAddress are the addresses that checks go to instead of the
	// server's own; empty: none. A port of 0 is the server's own as well.
	CheckAddress, AgentAddress string
	CheckPort, AgentPort       int
	TLS                        bool // requests go over TLS
	// Partial: the answer lacks checks, agents and TLS.
	Partial bool
}

// The bits of srv_admin_state (HAProxy's include/haproxy/server-t.h, SRV_ADMF_*). The bit for
// "disabled in the configuration", 0x04, stays set when the server is set ready, and means nothing
// by itself.
const (
	adminMaintenance = 0x01 | 0x02 | adminUnresolved
	adminUnresolved  = 0x20
	adminDraining    = 0x08 | 0x10
)

// ShowServers asks for the state of the servers of a backend, or of all backends when the name is
// empty.
func (c *Client) ShowServers(ctx context.Context, backend string) ([]Server, error) {
	var servers []Server
	if err := c.VisitServers(ctx, backend, func(s Server) { servers = append(servers, s) }); err != nil {
		return nil, err
	}
	return servers, nil
}

// VisitServers is like ShowServers, but passes each server to visit as it is read. When it fails,
// some may have been passed: discard them.
func (c *Client) VisitServers(ctx context.Context, backend string, visit func(Server)) error {
	return c.ask(ctx, strings.TrimSpace("show servers state "+backend), func(r io.Reader) error {
		if err := readServers(bufio.NewReaderSize(r, serverBuffer), visit); err != nil {
			return fmt.Errorf("reading show servers state: %w", err)
		}
		return nil
	})
}

// serverBuffer holds some lines at least.
const serverBuffer = 32 << 10

// serverColumns are the columns that every answer must have.
func serverColumns() []string {
	return []string{"be_name", "srv_name", "srv_addr", "srv_port", "srv_uweight", "srv_admin_state", "srv_op_state"}
}

// settingColumns are further ones, which the format makes optional (HAProxy's
// include/haproxy/server-t.h, SRV_STATE_FILE_MIN_FIELDS_VERSION_1).
func settingColumns() []string {
	return []string{"srv_use_ssl", "srv_check_port", "srv_check_addr", "srv_agent_addr", "srv_agent_port"}
}

// findServerColumns finds serverColumns, followed by settingColumns where all are there.
func findServerColumns(names []string) ([]int, error) {
	places, err := findColumns(names, serverColumns())
	if err != nil {
		return nil, err
	}
	if settings, err := findColumns(names, settingColumns()); err == nil {
		places = append(places, settings...)
	}
	return places, nil
}

// parseServers reads an answer without the blank line that ends it.
func parseServers(text string) ([]Server, error) {
	var servers []Server
	err := readServers(bufio.NewReader(strings.NewReader(text+"\n")), func(s Server) { servers = append(servers, s) })
	if err != nil {
		return nil, err
	}
	return servers, nil
}

// readServers reads the version of the format, a heading that names the columns,
// and a line for each server, up to a blank line. Versions may add columns. It reads
// as the answer arrives: that of ten thousand servers is more than a megabyte.
func readServers(r *bufio.Reader, visit func(Server)) error {
	version, err := answerLine(r)
	if err != nil {
		return err
	}
	if string(version) != "1" {
		return refusal(string(version))
	}
	heading, err := answerLine(r)
	if err != nil {
		return err
	}
	names, ok := bytes.CutPrefix(heading, []byte("# "))
	if !ok {
		return refusal(string(heading))
	}
	places, err := findServerColumns(strings.Fields(string(names)))
	if err != nil {
		return err
	}
	var fields [][]byte
	seen := texts{}
	for n := 3; ; n++ {
		line, err := answerLine(r)
		if err != nil || len(line) == 0 {
			return err
		}
		fields = slices.AppendSeq(fields[:0], bytes.FieldsSeq(line))
		if len(fields) == 0 {
			continue
		}
		s, err := parseServer(fields, places, seen.of)
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		visit(s)
	}
}

// answerLine is a line of an answer that ends with a blank one, without its end;
// valid until the next is read.
func answerLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	switch {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("answer cut off: %w", io.ErrUnexpectedEOF)
	case err != nil:
		return nil, err
	}
	return line[:len(line)-1], nil
}

// texts are those of one answer, in which most come again.
type texts map[string]string

func (t texts) of(text []byte) string {
	s, ok := t[string(text)]
	if !ok {
		s = string(text)
		t[s] = s
	}
	return s
}

// findColumns returns the positions of the columns among the names of a heading.
func findColumns(names, columns []string) ([]int, error) {
	places := make([]int, len(columns))
	for i, c := range columns {
		if places[i] = slices.Index(names, c); places[i] < 0 {
			return nil, fmt.Errorf("there is no column %s", c)
		}
	}
	return places, nil
}

// parseServer reads the fields of a line; text makes a text of one that is kept.
func parseServer[T string | []byte](fields []T, places []int, text func(T) string) (Server, error) {
	if slices.Max(places) >= len(fields) {
		return Server{}, fmt.Errorf("%d columns are too few", len(fields))
	}
	field := func(i int) T { return fields[places[i]] }
	port, portErr := strconv.Atoi(string(field(3)))
	weight, weightErr := strconv.Atoi(string(field(4)))
	admin, adminErr := strconv.Atoi(string(field(5)))
	operation, operationErr := strconv.Atoi(string(field(6)))
	if err := cmp.Or(portErr, weightErr, adminErr, operationErr); err != nil {
		return Server{}, err
	}
	s := Server{
		Backend: text(field(0)), Name: text(field(1)), Address: text(field(2)), Port: port, Weight: weight,
		Maintenance: admin&adminMaintenance != 0, Draining: admin&adminDraining != 0,
		Unresolved: admin&adminUnresolved != 0,
		Up:         operation != 0, Partial: len(places) == len(serverColumns()),
	}
	if s.Partial {
		return s, nil
	}
	tls, tlsErr := strconv.Atoi(string(field(7)))
	checkPort, checkErr := strconv.Atoi(string(field(8)))
	agentPort, agentErr := strconv.Atoi(string(field(11)))
	if err := cmp.Or(tlsErr, checkErr, agentErr); err != nil {
		return Server{}, err
	}
	s.TLS, s.CheckPort, s.AgentPort = tls == 1, checkPort, agentPort // -1: "no-ssl"
	if a := field(9); string(a) != "-" {
		s.CheckAddress = text(a)
	}
	if a := field(10); string(a) != "-" {
		s.AgentAddress = text(a)
	}
	return s, nil
}
