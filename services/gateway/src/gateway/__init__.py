"""An edge API in front of cs1 and plant."""
