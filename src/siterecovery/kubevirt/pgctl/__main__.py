"""`python -m siterecovery.kubevirt.pgctl`"""

import sys

from siterecovery.kubevirt.pgctl.main import main

sys.exit(main())
