package bootstrap

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// Who has the journal has the folder that is there, also when others remove it at the same time.
func TestJournalIsTheOneThatIsThere(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "journal")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 300 {
				j, err := openJournal(t.Context(), dir)
				if errors.As(err, new(*ConflictError)) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				mine, err := j.lock.Stat()
				there, thereErr := os.Stat(dir)
				if err != nil || thereErr != nil || !os.SameFile(mine, there) {
					t.Errorf("the folder is another one: %v, %v", err, thereErr)
				}
				j.close()
			}
		})
	}
	all.Wait()
}
