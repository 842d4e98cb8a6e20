// Command thalassa-cib reports changes of the cluster's configuration and status: a JSON line
// {"epoch":"admin_epoch:epoch:num_updates"} when it has connected to the Pacemaker of this node,
// and one for every change after that.
//
// It ends with an error when that connection is lost, and without one when its standard input ends,
// so that it never outlives the agent. The agent starts it again; a crash in Pacemaker's C
// libraries ends only this process.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	cib "github.com/ClusterLabs/go-pacemaker"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "thalassa-cib:", err)
		os.Exit(1)
	}
}

// errLost ends the program: the library cannot subscribe a second time.
var errLost = errors.New("the connection to Pacemaker is lost")

// run prints updates until the connection or the input ends.
func run(in io.Reader, out io.Writer) error {
	connection, err := cib.OpenCib()
	if err != nil {
		return fmt.Errorf("connecting to Pacemaker: %w", err)
	}
	ended := make(chan error, 2)
	end := func(err error) {
		select {
		case ended <- err:
		default:
		}
	}
	lines := json.NewEncoder(out)
	tell := func(v *cib.CibVersion) {
		if v == nil {
			return
		}
		if err := lines.Encode(map[string]string{"epoch": v.String()}); err != nil {
			end(fmt.Errorf("writing: %w", err))
		}
	}
	first, err := connection.Version()
	if err != nil {
		return fmt.Errorf("reading the CIB's version: %w", err)
	}
	tell(first)
	flags, err := connection.Subscribe(func(event cib.CibEvent, doc *cib.CibDocument) {
		if event == cib.DestroyEvent {
			end(errLost)
			return
		}
		tell(doc.Version()) // doc is gone when this returns
	})
	if err != nil || flags != bothNotifications {
		return fmt.Errorf("subscribing to the CIB (%d): %w", flags, errors.Join(err, errLost))
	}
	// What has changed between the first look and the subscription.
	if again, err := connection.Version(); err == nil && again.String() != first.String() {
		tell(again)
	}
	go func() {
		_, _ = io.Copy(io.Discard, in)
		end(nil)
	}()
	go loop()
	return <-ended
}

// bothNotifications says that changes and the loss of the connection are told.
const bothNotifications = 3
