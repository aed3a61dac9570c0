package kill

import (
	"os"
	"testing"

	"cooper/test/e2etest"
)

func TestMain(m *testing.M) { os.Exit(e2etest.Main(m)) }
