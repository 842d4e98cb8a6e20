package statsock

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Info is a worker's answer to show info.
type Info struct {
	Version string
	PID     int
	Uptime  time.Duration // whole seconds
	Node    string
	// Description is the line "description" of the global section.
	Description string
	// Stopping: the worker serves its last connections and accepts no new ones.
	Stopping    bool
	CurrConns   int
	MaxConn     int
	CumConns    int64 // connections accepted since the worker's start
	CumReq      int64 // requests since the worker's start
	ConnRate    int   // connections in the last second
	SessRate    int   // sessions in the last second
	IdlePercent int   // share of time spent waiting; 0 is saturated
	Threads     int
	// MaxSockets is the number of sockets that the worker expects to need by its configuration.
	MaxSockets int
}

// readInfo is parseInfo with context for the error.
func readInfo(text string) (Info, error) {
	info, err := parseInfo(text)
	if err != nil {
		return Info{}, fmt.Errorf("reading show info: %w", err)
	}
	return info, nil
}

// infoFields returns where the values of "show info" are stored: in a *string, *int,
// *int64, *time.Duration of seconds, or *bool.
func (i *Info) infoFields() map[string]any {
	return map[string]any{
		"Version": &i.Version, "Pid": &i.PID, "Uptime_sec": &i.Uptime, "node": &i.Node, "description": &i.Description, "Stopping": &i.Stopping,
		"CurrConns": &i.CurrConns, "Maxconn": &i.MaxConn, "CumConns": &i.CumConns, "CumReq": &i.CumReq,
		"ConnRate": &i.ConnRate, "SessRate": &i.SessRate, "Idle_pct": &i.IdlePercent, "Nbthread": &i.Threads,
		"Maxsock": &i.MaxSockets,
	}
}

// parseInfo reads "Name: value" lines. It skips unknown names.
func parseInfo(text string) (Info, error) {
	var info Info
	var errs []error
	fields := info.infoFields()
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimRight(line, "\n"), ": ")
		if !ok {
			continue
		}
		if err := setField(fields[name], value); err != nil {
			errs = append(errs, fmt.Errorf("field %s: %w", name, err))
		}
	}
	if len(errs) > 0 {
		return Info{}, errors.Join(errs...)
	}
	if info.PID <= 0 {
		return Info{}, refusal(text)
	}
	return info, nil
}

// setField parses a value into a field of infoFields; nil: the name is unknown.
func setField(field any, value string) error {
	switch field := field.(type) {
	case *string:
		*field = value
		return nil
	case *bool:
		*field = value != "0"
		return nil
	case nil:
		return nil
	}
	n, err := strconv.ParseInt(value, 10, 64)
	switch field := field.(type) {
	case *int:
		*field = int(n)
	case *int64:
		*field = n
	case *time.Duration:
		*field = time.Duration(n) * time.Second
	}
	return err
}
