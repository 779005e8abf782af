"""Add the mount point of each further database to the main one: ``bin/instance run mount.py``."""

import transaction
from Products.ZODBMountPoint.MountedObject import manage_addMounts, manage_getMountStatus

missing = [mount["path"] for mount in manage_getMountStatus(app) if not mount["exists"]]  # noqa: F821
manage_addMounts(app, missing)  # noqa: F821
transaction.commit()
print("mounted", *missing)
