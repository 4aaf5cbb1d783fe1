"""`python -m siterecovery.kubevirt.crds`"""

import sys

from siterecovery.kubevirt.crds.generate import main

sys.exit(main())
