package statsock

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Info is what a worker says of itself (show info).
type Info struct {
	Version string
	PID     int
	Uptime  time.Duration // whole seconds
	Node    string
	// Description is the line "description" of the global section.
	Description string
	// Stopping says that the worker serves its last connections and accepts no
	// new ones.
	Stopping    bool
	CurrConns   int
	MaxConn     int
	CumConns    int64 // connections accepted since the worker's start
	CumReq      int64 // requests since the worker's start
	ConnRate    int   // connections in the last second
	SessRate    int   // sessions in the last second
	IdlePercent int   // share of time spent waiting; 0 is saturated
	Threads     int
}

// readInfo is parseInfo, with an error that says what was read.
func readInfo(text string) (Info, error) {
	info, err := parseInfo(text)
	if err != nil {
		return Info{}, fmt.Errorf("reading show info: %w", err)
	}
	return info, nil
}

// parseInfo reads "Name: value" lines; names it does not know are skipped.
func parseInfo(text string) (Info, error) {
	var info Info
	var errs []error
	number := func(name, value string) int64 {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			errs = append(errs, fmt.Errorf("field %s: %w", name, err))
		}
		return n
	}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimRight(line, "\n"), ": ")
		if !ok {
			continue
		}
		switch name {
		case "Version":
			info.Version = value
		case "Pid":
			info.PID = int(number(name, value))
		case "Uptime_sec":
			info.Uptime = time.Duration(number(name, value)) * time.Second
		case "node":
			info.Node = value
		case "description":
			info.Description = value
		case "Stopping":
			info.Stopping = value != "0"
		case "CurrConns":
			info.CurrConns = int(number(name, value))
		case "Maxconn":
			info.MaxConn = int(number(name, value))
		case "CumConns":
			info.CumConns = number(name, value)
		case "CumReq":
			info.CumReq = number(name, value)
		case "ConnRate":
			info.ConnRate = int(number(name, value))
		case "SessRate":
			info.SessRate = int(number(name, value))
		case "Idle_pct":
			info.IdlePercent = int(number(name, value))
		case "Nbthread":
			info.Threads = int(number(name, value))
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
